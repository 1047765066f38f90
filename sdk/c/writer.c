/* Many rows, sent in batches. */
#include "contract.h"

/* Rows that wait before they are sent, and the bytes that they may take. */
#define MOST_ROWS 10000
#define MOST_BYTES (1 << 20)

size_t wm_waiting;

bool wm_nothing_waits(void) {
    return wm_waiting == 0 || wm_fail("rows wait in a writer that was not ended by wm_finish");
}

wm_writer *wm_writer_of(const char *target, size_t width) {
    wm_writer *writer = wm_allocate(sizeof *writer);
    *writer = (wm_writer){.target = target, .width = width};
    writer->columns = wm_allocate(width * sizeof(growing_column) + 1);
    memset(writer->columns, 0, width * sizeof(growing_column));
    writer->whole = wm_allocate(width * sizeof(column_data) + 1);
    return writer;
}

static bool send_load(wm_writer *writer, const column_data *columns) {
    answer said;
    host_load(writer->target, strlen(writer->target), writer->names, writer->width, (uint32_t)writer->rows, columns,
              writer->width, &said);
    return wm_counted(&said) || wm_context("could not load rows into the table \"%s\"", writer->target);
}

static bool send_execute_many(wm_writer *writer, const column_data *columns) {
    answer said;
    host_execute_many(writer->target, strlen(writer->target), (uint32_t)writer->rows, columns, writer->width, &said);
    return wm_counted(&said);
}

wm_writer *wm_load_columns(const char *table, const char *const *columns, size_t count) {
    wm_writer *writer = wm_writer_of(table, count);
    writer->send = send_load;
    writer->names = wm_allocate(count * sizeof(wm_text));
    for (size_t column = 0; column < count; column++) {
        writer->names[column] = wm_text_of(columns[column]);
    }
    wm_waiting++;
    return writer;
}

wm_writer *wm_execute_many(const char *statement, size_t parameters) {
    wm_writer *writer = wm_writer_of(statement, parameters);
    writer->send = send_execute_many;
    wm_waiting++;
    return writer;
}

const column_data *wm_whole(wm_writer *writer) {
    for (size_t column = 0; column < writer->width; column++) {
        growing_column *from = &writer->columns[column];
        column_data *to = &writer->whole[column];
        memset(to, 0, sizeof *to);
        if (from->has_null) {
            to->validity.items = from->validity;
            to->validity.length = writer->rows;
        }
        to->as.integers.length = writer->rows;
        switch (from->kind) {
        case WM_BOOLEAN:
            to->kind = BOOLEANS;
            to->as.booleans.items = from->cells;
            break;
        case WM_FLOAT:
            to->kind = FLOATS;
            to->as.floats.items = from->cells;
            break;
        case WM_TEXT:
        case WM_BYTES:
            to->kind = from->kind == WM_TEXT ? TEXTS : BYTES;
            to->as.cells.ends.items = from->cells;
            to->as.cells.data = from->data;
            to->as.cells.length = from->length;
            break;
        default: /* whole numbers, or nothing but NULL: any type will do */
            to->kind = INTEGERS;
            to->as.integers.items = from->cells;
        }
    }
    return writer->whole;
}

void wm_empty(wm_writer *writer) {
    for (size_t column = 0; column < writer->width; column++) {
        writer->columns[column].kind = WM_NULL;
        writer->columns[column].has_null = false;
        writer->columns[column].length = 0;
    }
    writer->rows = 0;
    writer->bytes = 0;
}

static bool flush(wm_writer *writer) {
    if (writer->rows == 0) {
        return true;
    }
    WM_TRY(writer->send(writer, wm_whole(writer)));
    writer->changed += wm_rows_changed;
    wm_empty(writer);
    return true;
}

/* Room for a row more: a cell takes eight bytes at most. */
static void make_room(wm_writer *writer) {
    if (writer->rows < writer->room) {
        return;
    }
    writer->room = writer->room == 0 ? 256 : writer->room * 2;
    for (size_t column = 0; column < writer->width; column++) {
        growing_column *it = &writer->columns[column];
        it->validity = wm_grow(it->validity, writer->room);
        it->cells = wm_grow(it->cells, writer->room * sizeof(int64_t));
    }
}

static void append(growing_column *column, size_t row, const wm_value *value) {
    column->validity[row] = value->kind != WM_NULL;
    column->has_null |= value->kind == WM_NULL;
    if (column->kind == WM_NULL && value->kind != WM_NULL) {
        column->kind = value->kind;
    }
    /* Before its first value, a column has the cells of all types: zeros. */
    switch (column->kind) {
    case WM_BOOLEAN:
        ((uint8_t *)column->cells)[row] = value->as.boolean;
        break;
    case WM_FLOAT:
        ((double *)column->cells)[row] = value->as.number;
        break;
    case WM_TEXT:
    case WM_BYTES: {
        size_t length = value->as.bytes.length;
        if (column->length + length > column->capacity) {
            column->capacity = (column->length + length) * 2;
            column->data = wm_grow(column->data, column->capacity);
        }
        if (length > 0) {
            memcpy(column->data + column->length, value->as.bytes.data, length);
        }
        column->length += length;
        ((uint32_t *)column->cells)[row] = (uint32_t)column->length;
        break;
    }
    default:
        ((int64_t *)column->cells)[row] = value->as.integer;
    }
}

/* A value in one of the forms that a column has. */
static wm_value plain(wm_value value) {
    if (value.kind == WM_OTHER) {
        return wm_string(value.as.other.text);
    }
    if (value.kind == WM_NULL) {
        memset(&value, 0, sizeof value);
    }
    return value;
}

/* Whether a row fits those that wait. */
static bool fits(const wm_writer *writer, const wm_value *values, size_t count) {
    if (count != writer->width) {
        return wm_fail("a row of %zu cells does not fit %zu columns", count, writer->width);
    }
    for (size_t column = 0; column < count; column++) {
        uint8_t before = writer->columns[column].kind, kind = plain(values[column]).kind;
        if (before != WM_NULL && kind != WM_NULL && before != kind) {
            return wm_fail("column %zu has values of two types", column);
        }
    }
    return true;
}

bool wm_push_values(wm_writer *writer, const wm_value *values, size_t count) {
    /* Of a row that does not fit nothing is kept: the step may go on without it. */
    if (wm_failure.message != NULL || !fits(writer, values, count)) {
        return false;
    }
    make_room(writer);
    for (size_t column = 0; column < count; column++) {
        wm_value value = plain(values[column]);
        append(&writer->columns[column], writer->rows, &value);
        if (value.kind == WM_TEXT || value.kind == WM_BYTES) {
            writer->bytes += value.as.bytes.length;
        }
        writer->bytes += 8;
    }
    writer->rows++;
    if (writer->send != NULL && (writer->rows >= MOST_ROWS || writer->bytes >= MOST_BYTES)) {
        return flush(writer);
    }
    return true;
}

bool wm_finish(wm_writer *writer) {
    bool done = wm_failure.message == NULL && flush(writer);
    wm_rows_changed = writer->changed;
    wm_waiting--;
    for (size_t column = 0; column < writer->width; column++) {
        free(writer->columns[column].validity);
        free(writer->columns[column].cells);
        free(writer->columns[column].data);
    }
    free(writer->columns);
    free(writer->whole);
    free(writer->names);
    free(writer);
    return done;
}
