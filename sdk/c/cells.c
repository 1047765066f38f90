/* The cells of a row. */
#include "contract.h"

static wm_value cell(const column_data *column, uint32_t row) {
    if (column->validity.length > 0 && column->validity.items[row] == 0) {
        return wm_null();
    }
    const long_cells *cells = &column->as.cells;
    size_t start = 0, length = 0;
    if (column->kind == TEXTS || column->kind == BYTES) {
        start = row == 0 ? 0 : cells->ends.items[row - 1];
        length = cells->ends.items[row] - start;
    }
    switch (column->kind) {
    case BOOLEANS:
        return wm_boolean(column->as.booleans.items[row]);
    case INTEGERS:
        return wm_integer(column->as.integers.items[row]);
    case FLOATS:
        return wm_float(column->as.floats.items[row]);
    case TEXTS:
        return wm_string((wm_text){(const char *)cells->data + start, length});
    case BYTES:
        return wm_blob((wm_bytes){cells->data + start, length});
    default:
        return column->as.mixed.items[row];
    }
}

wm_value wm_get_value(wm_rows *rows, size_t column) {
    if (rows == NULL || column >= rows->batch.columns.length || rows->row >= rows->batch.rows) {
        wm_fail("there is no column %zu in a row of %zu", column, rows == NULL ? 0 : rows->batch.columns.length);
        return wm_null();
    }
    return cell(&rows->batch.columns.items[column], rows->row);
}

bool wm_is_null(wm_rows *rows, size_t column) { return wm_get_value(rows, column).kind == WM_NULL; }

static wm_value expect(wm_rows *rows, size_t column, wm_kind kind) {
    static const char *const kinds[] = {"NULL", "a boolean", "a whole number", "a floating-point number",
                                        "a text", "bytes", "a value of another type"};
    wm_value value = wm_get_value(rows, column);
    if (value.kind == WM_OTHER && kind == WM_TEXT) {
        return wm_string(value.as.other.text);
    }
    if (value.kind != kind) {
        wm_fail("column %zu holds %s, not %s", column, kinds[value.kind], kinds[kind]);
        memset(&value, 0, sizeof value);
    }
    return value;
}

bool wm_get_boolean(wm_rows *rows, size_t column) {
    /* SQLite has no such type: 1 and 0 are it. */
    wm_value value = wm_get_value(rows, column);
    if (value.kind == WM_INTEGER && (value.as.integer == 0 || value.as.integer == 1)) {
        return value.as.integer == 1;
    }
    return expect(rows, column, WM_BOOLEAN).as.boolean;
}

int64_t wm_get_integer(wm_rows *rows, size_t column) { return expect(rows, column, WM_INTEGER).as.integer; }
double wm_get_float(wm_rows *rows, size_t column) { return expect(rows, column, WM_FLOAT).as.number; }
wm_text wm_get_text(wm_rows *rows, size_t column) { return expect(rows, column, WM_TEXT).as.text; }
wm_bytes wm_get_bytes(wm_rows *rows, size_t column) { return expect(rows, column, WM_BYTES).as.bytes; }
