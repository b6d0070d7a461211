// Reaches: wire::DecodeFrameHeader, serve::FetchOrder::Decode, serve::FetcherSettings::Decode,
// net::Address::Parse, proxy::ParseRange, store::BlobId::Parse

#include "common/net/address.h"
#include "common/wire/frame.h"
#include "enclave/serve/fetcher.h"
#include "host/proxy/range.h"
#include "host/store/blob_id.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ephemeralml;
  const ByteSpan input(data, size);
  (void)wire::DecodeFrameHeader(input, 1 << 20);
  (void)serve::FetchOrder::Decode(input);
  (void)serve::FetcherSettings::Decode(input);
  (void)net::Address::Parse(AsText(input));
  (void)proxy::ParseRange(AsText(input), 1 << 20);
  (void)store::BlobId::Parse(AsText(input));
  return 0;
}
