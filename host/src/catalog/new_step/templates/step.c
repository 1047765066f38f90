/* WHAT_IT_DOES
 *
 * `wasmigrate build` makes the step of it, and `wasmigrate test` proves it. What may be called: `../sdk/c/wasmigrate.h`. */
#include "wasmigrate.h"

/* What the running application tolerates: new tables and columns, copies of data. */
static bool migrate(const wm_bytes *resume) {
    (void)resume;
    int64_t one;
    WM_TRY(wm_query_integer(&one, "SELECT $1 + 0", wm_integer(1)));
    wm_info("nothing to do yet, %lld time", (long long)one);
    return true;
}

/* The short cut-over: constraints, renames, drops. */
static bool finalize(void) {
    return true;
}

// RESET
/* What takes back `migrate`. */
static bool reset(void) {
    return true;
}

// END
WASMIGRATE_STEP = {
    .summary = "WHAT_IT_DOES",
    .migrate = migrate,
    .finalize = finalize,
    // RESET
    .reset = reset,
    // END
};
