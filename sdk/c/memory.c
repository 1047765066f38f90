/* Memory, and texts in it. */
#include "contract.h"

block *wm_kept;
block **wm_receiver = &wm_kept;

void *wm_allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

void *wm_grow(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

__attribute__((export_name("cabi_realloc"), used)) void *wm_receive(
    void *old, size_t old_size, size_t alignment, size_t size) {
    (void)alignment; /* eight at most, which every block has */
    block *received = wm_allocate(sizeof(block) + size);
    received->next = *wm_receiver;
    *wm_receiver = received;
    if (old != NULL) {
        memcpy(received->content, old, old_size);
    }
    return received->content;
}

void wm_give_back(block **chain) {
    while (*chain != NULL) {
        block *next = (*chain)->next;
        free(*chain);
        *chain = next;
    }
}

wm_text wm_text_of(const char *string) {
    return (wm_text){string, string == NULL ? 0 : strlen(string)};
}

bool wm_same(wm_text text, const char *string) {
    return strlen(string) == text.length && memcmp(text.data, string, text.length) == 0;
}
