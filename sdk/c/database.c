/* Statements, the transaction, the report. */
#include "contract.h"

uint64_t wm_rows_changed;

uint64_t wm_changed(void) { return wm_rows_changed; }

bool wm_counted(const answer *said) {
    if (said->is_error) {
        return wm_fail_by(&said->as.error);
    }
    wm_rows_changed = said->as.count;
    return true;
}

wm_database wm_server(void) {
    struct {
        uint8_t kind;
        wm_text other, version;
    } product;
    host_server(&product);
    return product.kind;
}

bool wm_execute_values(const char *statement, const wm_value *parameters, size_t count) {
    answer said;
    host_execute(statement, strlen(statement), parameters, count, &said);
    return wm_counted(&said);
}

bool wm_open_savepoint(wm_savepoint *savepoint) {
    answer said;
    host_open_savepoint(&said);
    if (said.is_error) {
        return wm_fail_by(&said.as.error);
    }
    *savepoint = said.as.handle;
    return true;
}

bool wm_release(wm_savepoint savepoint) {
    answer said;
    host_release(savepoint, &said);
    return !said.is_error || wm_fail_by(&said.as.error);
}

void wm_roll_back(wm_savepoint savepoint) { host_drop_savepoint(savepoint); }

bool wm_checkpoint(const void *position, size_t length) {
    WM_TRY(wm_nothing_waits());
    answer said;
    host_checkpoint(position, length, &said);
    return !said.is_error || wm_fail_by(&said.as.error);
}

void wm_output(wm_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = wm_formatted(format, arguments);
    va_end(arguments);
    host_output(level, text, strlen(text));
    free(text);
}

void wm_progress(uint64_t done) { host_progress(done, 0, 0); }

bool wm_setting(const char *name, wm_text *value) {
    wm_optional_text found;
    host_setting(name, strlen(name), &found);
    if (found.is_some) {
        *value = found.text;
    }
    return found.is_some;
}
