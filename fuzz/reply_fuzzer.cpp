// Reaches: session::DecodeReply

#include "client/session/messages.h"
#include "common/wire/message_library.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ephemeralml;
  wire::SilenceMessageLibrary();
  (void)session::DecodeReply(SecretBytes::CopyOf({data, size}));
  return 0;
}
