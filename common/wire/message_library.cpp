#include "common/wire/message_library.h"

#include <google/protobuf/stubs/logging.h>

namespace ephemeralml::wire {

void SilenceMessageLibrary() { google::protobuf::SetLogHandler(nullptr); }

}  // namespace ephemeralml::wire
