/* Splits names and normalises phone numbers. */
#include "wasmigrate.h"

static wm_text without_spaces_after(wm_text text) {
    while (text.length > 0 && text.data[text.length - 1] == ' ') {
        text.length--;
    }
    return text;
}

static wm_text without_spaces(wm_text text) {
    while (text.length > 0 && text.data[0] == ' ') {
        text.data++;
        text.length--;
    }
    return without_spaces_after(text);
}

/* The number as E.164 has it; NULL for what is none. */
static wm_value normalised(wm_text phone, char number[17]) {
    char digits[64];
    size_t count = 0;
    for (size_t place = 0; place < phone.length; place++) {
        if (phone.data[place] >= '0' && phone.data[place] <= '9') {
            if (count == sizeof digits) {
                return wm_null();
            }
            digits[count++] = phone.data[place];
        }
    }
    const char *country = "";
    size_t skipped;
    if (phone.length > 0 && phone.data[0] == '+') {
        skipped = 0;
    } else if (count >= 2 && digits[0] == '0' && digits[1] == '0') {
        skipped = 2;
    } else if (count >= 1 && digits[0] == '0') {
        skipped = 1;
        country = "49";
    } else {
        return wm_null();
    }
    size_t length = 0;
    number[length++] = '+';
    for (; *country != 0; country++) {
        number[length++] = *country;
    }
    if (count - skipped + length - 1 < 7 || count - skipped + length - 1 > 15) {
        return wm_null();
    }
    for (size_t place = skipped; place < count; place++) {
        number[length++] = digits[place];
    }
    return wm_string((wm_text){number, length});
}

static bool row(wm_rows *row, wm_writer *derived) {
    wm_text name = without_spaces(wm_get_text(row, 0));
    size_t start = name.length;
    while (start > 0 && name.data[start - 1] != ' ') {
        start--;
    }
    wm_value given = start == 0 ? wm_null() : wm_string(without_spaces_after((wm_text){name.data, start}));
    wm_text family = {name.data + start, name.length - start};
    char number[17];
    wm_value e164 = wm_is_null(row, 1) ? wm_null() : normalised(without_spaces(wm_get_text(row, 1)), number);
    return wm_push(derived, given, wm_string(family), e164);
}

WASMIGRATE_TRANSFORM = {
    .summary = "splits names and normalises phone numbers",
    .table = "person",
    .inputs = (const char *[]){"name", "phone", NULL},
    .derives = (wm_derived[]){{"given_name", "TEXT"},
                              {"family_name", "TEXT", .not_null = true},
                              {"e164", "TEXT", .replaces = "phone"},
                              {0}},
    .drops = (const char *[]){"name", NULL},
    .row = row,
};
