/* What the component of a step exports. */
#include "contract.h"

static outcome ended;

static void *end_by(bool done) {
    done = done && wm_nothing_waits();
    if (done && wm_failure.message == NULL) {
        return &ended;
    }
    ended.is_error = 1;
    ended.as.failure = (failure){
        .message = wm_text_of(wm_failure.message == NULL ? "it returned false, and no reason" : wm_failure.message),
        .retryable = wm_failure.retryable,
        .cause = {.is_some = wm_failure.has_cause, .error = wm_failure.cause},
    };
    return &ended;
}

static void begin(void) {
    memset(&ended, 0, sizeof ended);
    wm_waiting = 0;
    wm_recover();
}

void *wm_run_describe(const wm_step *step) {
    static struct {
        wm_text summary;
        bool transactional;
    } description;
    description.summary = wm_text_of(step->summary);
    description.transactional = !step->outside_transaction;
    return &description;
}

void *wm_run_phase(bool (*phase)(void), const char *missing) {
    begin();
    if (phase == NULL) {
        return end_by(*missing == 0 || wm_fail("%s", missing));
    }
    return end_by(phase());
}

void *wm_run_count(const wm_step *step) {
    begin();
    uint64_t rows = 0;
    bool done = step->count == NULL || step->count(&rows);
    void *end = end_by(done);
    if (!ended.is_error) {
        ended.as.rows.is_some = step->count != NULL;
        ended.as.rows.count = rows;
    }
    return end;
}

void *wm_run_migrate(const wm_step *step, uint32_t resumes, const uint8_t *position, size_t length) {
    begin();
    wm_bytes resume = {position, length};
    return end_by(step->migrate(resumes ? &resume : NULL));
}
