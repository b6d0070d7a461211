#pragma once
// The message library's own voice.

namespace ephemeralml::wire {

/// Keeps Protocol Buffers from writing to standard error what it thinks of a peer's message: that
/// is for our own errors to say. Call once, early.
void SilenceMessageLibrary();

}  // namespace ephemeralml::wire
