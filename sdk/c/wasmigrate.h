/* Steps of wasmigrate in C: the database, the report, rows in and out. `wasmigrate.c` beside it is compiled with the step.
 *
 * What can fail returns false (or NULL), and the reason is kept: a step that returns false fails with it. So `if (!…) return false;`, or
 * WM_TRY, is all that there is to write. A step that wants to continue after a failure calls wm_recover first. Memory is the
 * component's own: at most some hundred MiB, and gone with it. */
#ifndef WASMIGRATE_H
#define WASMIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Values ---------------------------------------------------------------------------------------------------- */

/* Text in UTF-8, with no zero at its end: print it by `"%.*s", WM_SHOW(text)`. */
typedef struct {
    const char *data;
    size_t length;
} wm_text;

typedef struct {
    const uint8_t *data;
    size_t length;
} wm_bytes;

typedef enum { WM_NULL, WM_BOOLEAN, WM_INTEGER, WM_FLOAT, WM_TEXT, WM_BYTES, WM_OTHER } wm_kind;

/* A parameter of a statement, or a cell of a row. Decimals, timestamps, UUIDs and JSON come and go as text. */
typedef struct {
    uint8_t kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        wm_text text;
        wm_bytes bytes;
        struct {
            wm_text type_name;
            wm_text text;
        } other;
    } as;
} wm_value;

#define WM_SHOW(text) (int)(text).length, (text).data

wm_text wm_text_of(const char *string);
bool wm_same(wm_text text, const char *string);

static inline wm_value wm_null(void) { return (wm_value){.kind = WM_NULL}; }
static inline wm_value wm_boolean(bool value) { return (wm_value){.kind = WM_BOOLEAN, .as.boolean = value}; }
static inline wm_value wm_integer(int64_t value) { return (wm_value){.kind = WM_INTEGER, .as.integer = value}; }
static inline wm_value wm_float(double value) { return (wm_value){.kind = WM_FLOAT, .as.number = value}; }
static inline wm_value wm_string(wm_text value) { return (wm_value){.kind = WM_TEXT, .as.text = value}; }
static inline wm_value wm_literal(const char *value) { return wm_string(wm_text_of(value)); }
static inline wm_value wm_blob(wm_bytes value) { return (wm_value){.kind = WM_BYTES, .as.bytes = value}; }

/* ---- Failing --------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t is_some;
    wm_text text;
} wm_optional_text;

/* What the database said of a statement. */
typedef struct {
    wm_text code; /* SQLSTATE, or the name of SQLite's extended result code */
    wm_text message;
    wm_optional_text detail, hint, table, column, constraint;
} wm_database_error;

typedef enum {
    WM_CONSTRAINT_VIOLATED,
    WM_SYNTAX,
    WM_BUSY,
    WM_LIMIT_EXCEEDED,
    WM_CANCELLED,
    WM_NOT_PERMITTED,
    WM_INVALID_ARGUMENT,
    WM_OTHER_ERROR
} wm_error_kind;

/* Why a call of the host failed. */
typedef struct {
    uint8_t kind;
    union {
        wm_database_error database; /* of WM_CONSTRAINT_VIOLATED, WM_SYNTAX, WM_BUSY and WM_OTHER_ERROR */
        struct {
            wm_text name;
            uint64_t value;
        } limit;
        wm_text reason; /* of WM_NOT_PERMITTED and WM_INVALID_ARGUMENT */
    } as;
} wm_error;

/* Leaves the function with false when the call gave false (or NULL). */
#define WM_TRY(call)      \
    do {                  \
        if (!(call)) {    \
            return false; \
        }                 \
    } while (0)

/* Fails in the step's own words; returns false. In a transformation it rejects the row. */
bool wm_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Puts what was attempted before the words of the failure; returns false. */
bool wm_context(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says that the same step may succeed when it is tried again; returns false. A busy database says so by itself. */
bool wm_retryable(void);
/* The host's error behind the failure; NULL without one. */
const wm_error *wm_cause(void);
/* Whether something has failed. */
bool wm_has_failed(void);
/* Forgets the failure, to continue. On PostgreSQL only a savepoint that is rolled back makes the transaction usable again. */
void wm_recover(void);

/* ---- The database ---------------------------------------------------------------------------------------------- */

typedef enum { WM_SQLITE, WM_POSTGRES, WM_OTHER_DATABASE } wm_database;

wm_database wm_server(void);

#define WM_COUNT(...) (sizeof((wm_value[]){wm_null(), ##__VA_ARGS__}) / sizeof(wm_value) - 1)
#define WM_VALUES(...) ((wm_value[]){wm_null(), ##__VA_ARGS__}) + 1, WM_COUNT(__VA_ARGS__)

/* Runs one statement: wm_execute("UPDATE a SET b = $1", wm_integer(7)). */
#define wm_execute(statement, ...) wm_execute_values(statement, WM_VALUES(__VA_ARGS__))
bool wm_execute_values(const char *statement, const wm_value *parameters, size_t count);
/* How many rows the last statement has changed. */
uint64_t wm_changed(void);

/* A result of any size, read forward; NULL when it failed. */
typedef struct wm_rows wm_rows;
#define wm_query(statement, ...) wm_query_values(statement, WM_VALUES(__VA_ARGS__))
wm_rows *wm_query_values(const char *statement, const wm_value *parameters, size_t count);
/* Goes to the next row; false at the end, and when something has failed: wm_close tells which. */
bool wm_next(wm_rows *rows);
/* Ends it; false when something has failed. What its rows gave is gone. */
bool wm_close(wm_rows *rows);

/* The only value of the only row of a result. */
#define wm_query_integer(value, statement, ...) wm_query_integer_values(value, statement, WM_VALUES(__VA_ARGS__))
bool wm_query_integer_values(int64_t *value, const char *statement, const wm_value *parameters, size_t count);

/* The cells of the row, from 0. One that is NULL or of another type is a failure; ask wm_is_null where it may be NULL. Texts and
 * bytes stand until the next wm_next. */
bool wm_is_null(wm_rows *rows, size_t column);
bool wm_get_boolean(wm_rows *rows, size_t column);
int64_t wm_get_integer(wm_rows *rows, size_t column);
double wm_get_float(wm_rows *rows, size_t column);
wm_text wm_get_text(wm_rows *rows, size_t column);
wm_bytes wm_get_bytes(wm_rows *rows, size_t column);
wm_value wm_get_value(wm_rows *rows, size_t column);

/* ---- Many rows ------------------------------------------------------------------------------------------------- */

/* Takes rows and sends them in batches. All cells of a column that are not NULL have one type. */
typedef struct wm_writer wm_writer;
/* Inserts them into a table, the fast way: wm_load("person", "id", "name"). */
#define wm_load(table, ...) \
    wm_load_columns(table, (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))
wm_writer *wm_load_columns(const char *table, const char *const *columns, size_t count);
/* Runs a statement once for each, with so many parameters. */
wm_writer *wm_execute_many(const char *statement, size_t parameters);
/* Adds a row: wm_push(people, wm_integer(1), wm_literal("Ada")). What it points to may change afterwards. */
#define wm_push(writer, ...) wm_push_values(writer, WM_VALUES(__VA_ARGS__))
bool wm_push_values(wm_writer *writer, const wm_value *values, size_t count);
/* Sends the rows that wait, and ends it; wm_changed tells how many rows were changed in all. A step that leaves this out fails. */
bool wm_finish(wm_writer *writer);

/* ---- Transaction and report ------------------------------------------------------------------------------------ */

/* A point to which the transaction can be rolled back; 0 when it failed. */
typedef uint32_t wm_savepoint;
bool wm_open_savepoint(wm_savepoint *savepoint);
bool wm_release(wm_savepoint savepoint);
void wm_roll_back(wm_savepoint savepoint);

/* Commits what was done so far. After a crash `migrate` is called with this position (at most 64 KiB). Closes all results. */
bool wm_checkpoint(const void *position, size_t length);

typedef enum { WM_DEBUG, WM_INFO, WM_WARNING, WM_ERROR } wm_level;

void wm_output(wm_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define wm_debug(...) wm_output(WM_DEBUG, __VA_ARGS__)
#define wm_info(...) wm_output(WM_INFO, __VA_ARGS__)
#define wm_warning(...) wm_output(WM_WARNING, __VA_ARGS__)

/* How far the step is, in rows or whatever it counts; the total is that of `count`. */
void wm_progress(uint64_t done);

/* One of the operator's [settings]; false, and nothing is written, when there is none. */
bool wm_setting(const char *name, wm_text *value);

/* ---- What a component is ---------------------------------------------------------------------------------------- */

/* A step: only `migrate` must be there.
 *
 *     WASMIGRATE_STEP = {.summary = "adds greetings", .migrate = migrate, .reset = reset};
 */
typedef struct {
    const char *summary;
    bool outside_transaction; /* for what cannot run in one: it must be repeatable */
    bool (*check)(void);
    bool (*count)(uint64_t *rows);
    bool (*migrate)(const wm_bytes *resume); /* the position of the last checkpoint; NULL at the first time */
    bool (*finalize)(void);
    bool (*reset)(void);
} wm_step;

typedef struct {
    const char *name;
    const char *type_name;
    bool not_null;
    const char *replaces; /* the old column whose name it takes at finalize */
} wm_derived;

/* A transformation: a pure function of a row. The lists end by NULL, or a derived column without a name. */
typedef struct {
    const char *summary;
    const char *table;
    const char *const *key; /* NULL for the primary key */
    const char *const *inputs;
    const wm_derived *derives;
    const char *const *drops;
    const char *only_where;
    bool (*row)(wm_rows *row, wm_writer *derived); /* pushes one row; false rejects it */
} wm_transform;

#define WM_EXPORT_AS(export, name, type, parameters) \
    __attribute__((export_name(export), used)) type wm_export_##name parameters
#define WM_EXPORT(name, type, parameters) WM_EXPORT_AS(#name, name, type, parameters)

#define WASMIGRATE_STEP                                                                                       \
    extern const wm_step wm_this_step;                                                                        \
    WM_EXPORT(describe, void *, (void)) { return wm_run_describe(&wm_this_step); }                            \
    WM_EXPORT_AS("has-finalize", has_finalize, bool, (void)) { return wm_this_step.finalize != NULL; }        \
    WM_EXPORT_AS("has-reset", has_reset, bool, (void)) { return wm_this_step.reset != NULL; }                 \
    WM_EXPORT(check, void *, (void)) { return wm_run_phase(wm_this_step.check, ""); }                         \
    WM_EXPORT(count, void *, (void)) { return wm_run_count(&wm_this_step); }                                  \
    WM_EXPORT(migrate, void *, (uint32_t resumes, const uint8_t *position, size_t length)) {                  \
        return wm_run_migrate(&wm_this_step, resumes, position, length);                                      \
    }                                                                                                         \
    WM_EXPORT(finalize, void *, (void)) { return wm_run_phase(wm_this_step.finalize, ""); }                   \
    WM_EXPORT(reset, void *, (void)) { return wm_run_phase(wm_this_step.reset, "has no reset"); }             \
    const wm_step wm_this_step

#define WASMIGRATE_TRANSFORM                                                                                  \
    extern const wm_transform wm_this_transform;                                                              \
    WM_EXPORT(describe, void *, (void)) { return wm_run_describe_transform(&wm_this_transform); }             \
    WM_EXPORT(transform, void *, (uint32_t rows, const void *columns, size_t count)) {                        \
        return wm_run_transform(&wm_this_transform, rows, columns, count);                                    \
    }                                                                                                         \
    const wm_transform wm_this_transform

void *wm_run_describe(const wm_step *step);
void *wm_run_phase(bool (*phase)(void), const char *missing);
void *wm_run_count(const wm_step *step);
void *wm_run_migrate(const wm_step *step, uint32_t resumes, const uint8_t *position, size_t length);
void *wm_run_describe_transform(const wm_transform *transform);
void *wm_run_transform(const wm_transform *transform, uint32_t rows, const void *columns, size_t count);

#endif
