/* Why a step gives up. */
#include "contract.h"

#include <stdio.h>

char *wm_formatted(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = wm_allocate((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

struct wm_failure wm_failure;

bool wm_has_failed(void) { return wm_failure.message != NULL; }

const wm_error *wm_cause(void) { return wm_failure.has_cause ? &wm_failure.cause : NULL; }

void wm_recover(void) {
    free(wm_failure.message);
    memset(&wm_failure, 0, sizeof wm_failure);
}

/* The first failure is the one that counts: what follows follows from it. */
bool wm_fail(const char *format, ...) {
    if (wm_failure.message == NULL) {
        va_list arguments;
        va_start(arguments, format);
        wm_failure.message = wm_formatted(format, arguments);
        va_end(arguments);
    }
    return false;
}

bool wm_context(const char *format, ...) {
    if (wm_failure.message == NULL) {
        return false;
    }
    va_list arguments;
    va_start(arguments, format);
    char *attempted = wm_formatted(format, arguments);
    va_end(arguments);
    size_t length = strlen(attempted) + strlen(wm_failure.message) + 3;
    char *both = wm_allocate(length);
    snprintf(both, length, "%s: %s", attempted, wm_failure.message);
    free(attempted);
    free(wm_failure.message);
    wm_failure.message = both;
    return false;
}

bool wm_retryable(void) {
    wm_failure.retryable = true;
    return false;
}

bool wm_fail_by(const wm_error *error) {
    if (wm_failure.message != NULL) {
        return false;
    }
    switch (error->kind) {
    case WM_LIMIT_EXCEEDED:
        wm_fail("the limit %.*s of %llu was reached", WM_SHOW(error->as.limit.name),
                (unsigned long long)error->as.limit.value);
        break;
    case WM_CANCELLED:
        wm_fail("the run was cancelled");
        break;
    case WM_NOT_PERMITTED:
    case WM_INVALID_ARGUMENT:
        wm_fail("%.*s", WM_SHOW(error->as.reason));
        break;
    default:
        wm_fail("%.*s (%.*s)", WM_SHOW(error->as.database.message), WM_SHOW(error->as.database.code));
    }
    wm_failure.retryable = error->kind == WM_BUSY;
    wm_failure.has_cause = true;
    wm_failure.cause = *error;
    return false;
}
