/* WHAT_IT_DOES
 *
 * An example: the family names of the table `customer`. Write your own table and columns instead. `wasmigrate build` makes the
 * step of it, and `wasmigrate test` proves it. What may be called: `../sdk/c/wasmigrate.h`. */
#include "wasmigrate.h"

/* One row: the same inputs must give the same outputs. */
static bool row(wm_rows *row, wm_writer *derived) {
    wm_text name = wm_get_text(row, 0);
    while (name.length > 0 && name.data[name.length - 1] == ' ') {
        name.length--;
    }
    size_t start = name.length;
    while (start > 0 && name.data[start - 1] != ' ') {
        start--;
    }
    return wm_push(derived, wm_string((wm_text){name.data + start, name.length - start}));
}

WASMIGRATE_TRANSFORM = {
    .summary = "WHAT_IT_DOES",
    .table = "customer",
    .inputs = (const char *[]){"name", NULL},
    .derives = (wm_derived[]){{"family_name", "TEXT", .not_null = true}, {0}},
    .row = row,
};
