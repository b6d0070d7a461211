#pragma once
// What a worker asks of the C library's heap. What is given back was wiped when it was freed
// (enclave/wiping_allocator.cpp).

namespace ephemeralml::serve {

/// One heap for all threads: the library shrinks the others after a look at a file, which a
/// confined worker may not open. It keeps a few messages' worth of free pages, so that the next
/// request needn't ask the kernel for each of them. To be called before the first thread starts.
void ConfigureHeap();

/// Gives free pages back to the kernel if there are more than a few messages' worth. Scratch space
/// that libraries align leaves gaps, which the heap doesn't fill again: without this it grows from
/// request to request.
void ReturnFreeHeap();

}  // namespace ephemeralml::serve
