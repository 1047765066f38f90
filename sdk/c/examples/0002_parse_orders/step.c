/* Parses order lines such as `Ada  Lovelace|2 x tea|1.200,50 EUR` into purchases, and says why it cannot. */
#include "wasmigrate.h"

#include <stdlib.h>
#include <string.h>

static bool is_space(char letter) { return letter == ' ' || (letter >= '\t' && letter <= '\r'); }
static bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

static wm_text trimmed(wm_text text) {
    while (text.length > 0 && is_space(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && is_space(text.data[text.length - 1])) {
        text.length--;
    }
    return text;
}

/* The part up to a letter; what comes after it stays. False when it is not there: then all of it is the part. */
static bool cut(wm_text *rest, char letter, wm_text *part) {
    const char *found = memchr(rest->data, letter, rest->length);
    *part = *rest;
    if (found == NULL) {
        rest->length = 0;
        return false;
    }
    part->length = (size_t)(found - rest->data);
    rest->data = found + 1;
    rest->length -= part->length + 1;
    return true;
}

typedef struct {
    char customer[1024];
    size_t customer_length;
    wm_text item;
    int64_t quantity, cents;
} purchase;

/* Digits, with points between them, and two more after a comma. */
static bool price_of(wm_text text, int64_t *cents) {
    wm_text whole, fraction = text;
    bool has_fraction = cut(&fraction, ',', &whole);
    if (whole.length == 0 || !is_digit(whole.data[0]) || (has_fraction && fraction.length != 2)) {
        return false;
    }
    *cents = 0;
    for (size_t place = 0; place < whole.length; place++) {
        if (is_digit(whole.data[place])) {
            *cents = *cents * 10 + (whole.data[place] - '0');
        } else if (whole.data[place] != '.') {
            return false;
        }
    }
    for (size_t place = 0; place < 2; place++) {
        char digit = has_fraction ? fraction.data[place] : '0';
        if (!is_digit(digit)) {
            return false;
        }
        *cents = *cents * 10 + (digit - '0');
    }
    return true;
}

/* Why a line is none; NULL when it is one. */
static const char *parse(wm_text line, purchase *to) {
    wm_text customer, what, price;
    if (!cut(&line, '|', &customer) || !cut(&line, '|', &what) || cut(&line, '|', &price)) {
        return "not three parts";
    }
    what = trimmed(what);
    size_t digits = 0;
    to->quantity = 0;
    while (digits < what.length && is_digit(what.data[digits])) {
        to->quantity = to->quantity * 10 + (what.data[digits++] - '0');
    }
    wm_text rest = {what.data + digits, what.length - digits};
    while (rest.length > 0 && is_space(rest.data[0])) {
        rest.data++;
        rest.length--;
    }
    if (digits == 0 || rest.length == 0 || rest.data[0] != 'x') {
        return "no quantity";
    }
    to->item = trimmed((wm_text){rest.data + 1, rest.length - 1});
    price = trimmed(price);
    if (price.length < 3 || memcmp(price.data + price.length - 3, "EUR", 3) != 0) {
        return "no currency";
    }
    price.length -= 3;
    if (!price_of(trimmed(price), &to->cents)) {
        return "no price";
    }
    customer = trimmed(customer);
    to->customer_length = 0;
    for (size_t place = 0; place < customer.length && to->customer_length < sizeof to->customer; place++) {
        if (!is_space(customer.data[place])) {
            to->customer[to->customer_length++] = customer.data[place];
        } else if (!is_space(customer.data[place - 1])) {
            to->customer[to->customer_length++] = ' ';
        }
    }
    if (to->customer_length == 0 || to->item.length == 0 || to->quantity <= 0) {
        return "something is empty";
    }
    return NULL;
}

static bool parse_all(void) {
    WM_TRY(wm_execute("CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL, "
                      "quantity BIGINT NOT NULL, cents BIGINT NOT NULL)"));
    WM_TRY(wm_execute("CREATE TABLE bad_line (id BIGINT PRIMARY KEY, reason TEXT NOT NULL)"));
    WM_TRY(wm_execute("CREATE TABLE customer_total (customer TEXT PRIMARY KEY, cents BIGINT NOT NULL)"));
    wm_writer *purchases = wm_load("purchase", "id", "customer", "item", "quantity", "cents");
    wm_writer *bad_lines = wm_execute_many("INSERT INTO bad_line (id, reason) VALUES ($1, $2)", 2);
    wm_rows *lines = wm_query("SELECT id, line FROM order_line ORDER BY id");
    uint64_t done = 0;
    while (wm_next(lines)) {
        int64_t id = wm_get_integer(lines, 0);
        purchase it;
        const char *reason = parse(wm_get_text(lines, 1), &it);
        if (reason == NULL) {
            WM_TRY(wm_push(purchases, wm_integer(id), wm_string((wm_text){it.customer, it.customer_length}),
                           wm_string(it.item), wm_integer(it.quantity), wm_integer(it.cents)));
        } else {
            WM_TRY(wm_push(bad_lines, wm_integer(id), wm_literal(reason)));
        }
        if (++done % 1000 == 0) {
            wm_progress(done);
        }
    }
    WM_TRY(wm_close(lines));
    WM_TRY(wm_finish(purchases));
    uint64_t good = wm_changed();
    WM_TRY(wm_finish(bad_lines));
    wm_info("%llu purchases, %llu bad lines", (unsigned long long)good, (unsigned long long)wm_changed());
    return true;
}

static bool count(uint64_t *rows) {
    int64_t counted;
    WM_TRY(wm_query_integer(&counted, "SELECT count(*) FROM order_line"));
    *rows = (uint64_t)counted;
    return true;
}

static bool migrate(const wm_bytes *resume) {
    if (resume == NULL) {
        WM_TRY(parse_all());
        WM_TRY(wm_checkpoint("parsed", 6));
    }
    WM_TRY(wm_execute("INSERT INTO customer_total (customer, cents) SELECT customer, sum(cents) FROM purchase GROUP BY customer"));
    wm_info("%llu customers", (unsigned long long)wm_changed());
    return true;
}

static bool finalize(void) { return wm_execute("DROP TABLE order_line"); }

static bool reset(void) {
    WM_TRY(wm_execute("DROP TABLE IF EXISTS customer_total"));
    WM_TRY(wm_execute("DROP TABLE IF EXISTS bad_line"));
    return wm_execute("DROP TABLE IF EXISTS purchase");
}

WASMIGRATE_STEP = {
    .summary = "parses order lines into purchases",
    .count = count,
    .migrate = migrate,
    .finalize = finalize,
    .reset = reset,
};
