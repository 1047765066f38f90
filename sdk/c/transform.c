/* What the component of a transformation exports. */
#include "contract.h"

typedef struct {
    wm_text name, type_name;
    bool nullable;
    wm_optional_text replaces;
} derived_column;

typedef struct {
    uint32_t row;
    wm_text message;
} rejected_row;

_Static_assert(sizeof(derived_column) == 32 && sizeof(rejected_row) == 12, "layout of transformations");

typedef struct {
    wm_text *items;
    size_t length;
} names;

static names list_of(const char *const *strings) {
    names list = {NULL, 0};
    while (strings != NULL && strings[list.length] != NULL) {
        list.items = wm_grow(list.items, (list.length + 1) * sizeof(wm_text));
        list.items[list.length] = wm_text_of(strings[list.length]);
        list.length++;
    }
    return list;
}

static size_t width_of(const wm_derived *derives) {
    size_t width = 0;
    while (derives[width].name != NULL) {
        width++;
    }
    return width;
}

void *wm_run_describe_transform(const wm_transform *transform) {
    static struct {
        wm_text summary, table;
        names key, inputs;
        LIST(derived_column) derived;
        names dropped;
        wm_optional_text filter;
    } description;
    size_t width = width_of(transform->derives);
    derived_column *derived = wm_allocate(width * sizeof *derived + 1);
    for (size_t column = 0; column < width; column++) {
        const wm_derived *from = &transform->derives[column];
        derived[column] = (derived_column){
            .name = wm_text_of(from->name),
            .type_name = wm_text_of(from->type_name),
            .nullable = !from->not_null,
            .replaces = {from->replaces != NULL, wm_text_of(from->replaces)},
        };
    }
    description.summary = wm_text_of(transform->summary);
    description.table = wm_text_of(transform->table);
    description.key = list_of(transform->key);
    description.inputs = list_of(transform->inputs);
    description.derived.items = derived;
    description.derived.length = width;
    description.dropped = list_of(transform->drops);
    description.filter = (wm_optional_text){transform->only_where != NULL, wm_text_of(transform->only_where)};
    return &description;
}

void *wm_run_transform(const wm_transform *transform, uint32_t rows, const void *columns, size_t count) {
    static struct {
        uint8_t is_error;
        union {
            batch batch;
            LIST(rejected_row) rejected;
        } as;
    } answered;
    static wm_writer *derived;
    static rejected_row *rejected;
    static block *given;
    /* What was handed over with the call before is done with, and this call's rows are the newest of what is kept. */
    wm_give_back(&given);
    given = wm_kept;
    wm_kept = NULL;
    for (size_t row = 0; rejected != NULL && row < answered.as.rejected.length; row++) {
        free((void *)rejected[row].message.data);
    }
    free(rejected);
    rejected = NULL;
    memset(&answered, 0, sizeof answered);
    size_t width = width_of(transform->derives), refused = 0;
    if (derived == NULL) {
        derived = wm_writer_of("", width);
    }
    wm_empty(derived);
    wm_rows it = {.batch = {.rows = rows, .columns = {columns, count}}};
    for (it.row = 0; it.row < rows; it.row++) {
        wm_recover();
        size_t before = derived->rows;
        bool done = transform->row(&it, derived);
        if (done && derived->rows != before + 1) {
            done = wm_fail("%zu rows were derived from one", derived->rows - before);
        }
        if (done && wm_failure.message == NULL) {
            continue;
        }
        const char *why = wm_failure.message == NULL ? "it returned false, and no reason" : wm_failure.message;
        rejected = wm_grow(rejected, (refused + 1) * sizeof *rejected);
        rejected[refused++] = (rejected_row){it.row, wm_text_of(strdup(why))};
    }
    if (refused > 0) {
        answered.is_error = 1;
        answered.as.rejected.items = rejected;
        answered.as.rejected.length = refused;
    } else {
        answered.as.batch.rows = rows;
        answered.as.batch.columns.items = wm_whole(derived);
        answered.as.batch.columns.length = width;
    }
    return &answered;
}
