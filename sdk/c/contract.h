/* The contract `wasmigrate:migration` below wasmigrate.h, and what the files of this package share. Every structure here and there has
 * the layout that the canonical ABI of components gives its type in `wit/`. */
#ifndef WASMIGRATE_CONTRACT_H
#define WASMIGRATE_CONTRACT_H

#include "wasmigrate.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LIST(type)          \
    struct {                \
        const type *items;  \
        size_t length;      \
    }

typedef struct {
    wm_text name;
    wm_text type_name;
} column_name;

typedef struct {
    LIST(uint32_t) ends;
    const uint8_t *data;
    size_t length;
} long_cells; /* texts and byte strings */

enum { BOOLEANS, INTEGERS, FLOATS, TEXTS, BYTES, MIXED };

typedef struct {
    LIST(uint8_t) validity;
    uint8_t kind;
    union {
        LIST(uint8_t) booleans;
        LIST(int64_t) integers;
        LIST(double) floats;
        long_cells cells;
        LIST(wm_value) mixed;
    } as;
} column_data;

typedef struct {
    uint32_t rows;
    LIST(column_data) columns;
} batch;

typedef struct {
    uint8_t is_error;
    union {
        uint64_t count;
        uint32_t handle;
        LIST(column_name) columns;
        batch batch;
        wm_error error;
    } as;
} answer;

typedef struct {
    wm_text message;
    bool retryable;
    struct {
        uint8_t is_some;
        wm_error error;
    } cause;
} failure;

typedef struct {
    uint8_t is_error;
    union {
        struct {
            uint8_t is_some;
            uint64_t count;
        } rows;
        failure failure;
    } as;
} outcome;

_Static_assert(sizeof(wm_value) == 24 && sizeof(column_data) == 28 && sizeof(batch) == 12, "layout of rows");
_Static_assert(sizeof(wm_error) == 88 && sizeof(answer) == 96 && sizeof(failure) == 112, "layout of errors");

#define HOST(interface, function) \
    __attribute__((import_module("wasmigrate:migration/" interface "@0.1.0"), import_name(function)))

HOST("database", "server") void host_server(void *product);
HOST("database", "execute") void host_execute(const char *, size_t, const wm_value *, size_t, answer *);
HOST("database", "execute-many")
void host_execute_many(const char *, size_t, uint32_t, const column_data *, size_t, answer *);
HOST("database", "load")
void host_load(const char *, size_t, const wm_text *, size_t, uint32_t, const column_data *, size_t, answer *);
HOST("database", "query") void host_query(const char *, size_t, const wm_value *, size_t, answer *);
HOST("database", "[method]cursor.next") void host_next(uint32_t, uint32_t, answer *);
HOST("database", "[resource-drop]cursor") void host_drop_cursor(uint32_t);
HOST("database", "[static]savepoint.open") void host_open_savepoint(answer *);
HOST("database", "[static]savepoint.release") void host_release(uint32_t, answer *);
HOST("database", "[resource-drop]savepoint") void host_drop_savepoint(uint32_t);
HOST("report", "output") void host_output(uint32_t, const char *, size_t);
HOST("report", "progress") void host_progress(uint64_t, uint32_t, uint64_t);
HOST("report", "checkpoint") void host_checkpoint(const void *, size_t, answer *);
HOST("settings", "get") void host_setting(const char *, size_t, wm_optional_text *);

/* ---- Memory: memory.c ---- */

/* What the host hands over is chained, to be given back when its receiver is done with it. */
typedef struct block {
    struct block *next;
    uint64_t content[];
} block;

extern block *wm_kept; /* what nobody has claimed */
extern block **wm_receiver;

void *wm_allocate(size_t size);
void *wm_grow(void *memory, size_t size);
void wm_give_back(block **chain);

/* ---- Failing: failure.c ---- */

extern struct wm_failure {
    char *message; /* NULL when nothing has failed */
    bool retryable;
    bool has_cause;
    wm_error cause;
} wm_failure;

char *wm_formatted(const char *format, va_list arguments);
bool wm_fail_by(const wm_error *error);
/* Takes the number of rows that a statement has changed, or its failure. */
bool wm_counted(const answer *said);

/* ---- Rows ---- */

struct wm_rows {
    uint32_t cursor;
    block *memory;
    batch batch;
    uint32_t row;
};

typedef struct {
    uint8_t kind; /* of a value; WM_NULL as long as there is nothing else in it */
    bool has_null;
    uint8_t *validity;
    void *cells; /* or the ends of texts and byte strings, which are in `data` */
    uint8_t *data;
    size_t length, capacity;
} growing_column;

struct wm_writer {
    bool (*send)(wm_writer *writer, const column_data *columns); /* NULL in a transformation */
    const char *target; /* a table, or a statement */
    wm_text *names;
    size_t width;
    growing_column *columns;
    column_data *whole;
    size_t rows, room, bytes;
    uint64_t changed;
};

extern size_t wm_waiting; /* writers that were not finished */
extern uint64_t wm_rows_changed;

wm_writer *wm_writer_of(const char *target, size_t width);
const column_data *wm_whole(wm_writer *writer);
void wm_empty(wm_writer *writer);
bool wm_nothing_waits(void);

#endif
