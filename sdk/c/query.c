/* Results, read forward. */
#include "contract.h"

/* How many rows are asked for at once; the host gives fewer where they are long. */
#define ROWS_AT_ONCE 4096

wm_rows *wm_query_values(const char *statement, const wm_value *parameters, size_t count) {
    answer said;
    host_query(statement, strlen(statement), parameters, count, &said);
    if (said.is_error) {
        wm_fail_by(&said.as.error);
        return NULL;
    }
    wm_rows *rows = wm_allocate(sizeof *rows);
    *rows = (wm_rows){.cursor = said.as.handle};
    return rows;
}

bool wm_next(wm_rows *rows) {
    if (rows == NULL || wm_failure.message != NULL) {
        return false;
    }
    if (rows->row + 1 < rows->batch.rows) {
        rows->row++;
        return true;
    }
    wm_give_back(&rows->memory);
    rows->batch.rows = 0;
    rows->row = 0;
    answer said;
    wm_receiver = &rows->memory;
    host_next(rows->cursor, ROWS_AT_ONCE, &said);
    wm_receiver = &wm_kept;
    if (said.is_error) {
        wm_fail_by(&said.as.error);
        /* Its words are in the memory of these rows, and are needed longer. */
        rows->memory = NULL;
        return false;
    }
    rows->batch = said.as.batch;
    return rows->batch.rows > 0;
}

bool wm_close(wm_rows *rows) {
    if (rows == NULL) {
        return false;
    }
    host_drop_cursor(rows->cursor);
    wm_give_back(&rows->memory);
    free(rows);
    return wm_failure.message == NULL;
}

bool wm_query_integer_values(int64_t *value, const char *statement, const wm_value *parameters, size_t count) {
    wm_rows *rows = wm_query_values(statement, parameters, count);
    if (wm_next(rows)) {
        *value = wm_get_integer(rows, 0);
        if (wm_next(rows)) {
            wm_fail("more than one row came of: %s", statement);
        }
    } else {
        wm_fail("no row came of: %s", statement);
    }
    return wm_close(rows);
}
