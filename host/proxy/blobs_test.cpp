// Blobs over HTTP, through the real server.

#include "host/proxy/blobs.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>
#include <vector>

#include "host/proxy/testing/server_fixture.h"

namespace ephemeralml::proxy {
namespace {

using ::testing::AllOf;
using testing::Answer;
using ::testing::Each;
using ::testing::Field;
using testing::HttpPeer;
using testing::MakeRequest;
using testing::RandomText;
using testing::RunningServer;

constexpr std::string_view kBlob = "/v1/blobs/00112233445566778899aabbccddeeff";
constexpr std::string_view kOther = "/v1/blobs/ff112233445566778899aabbccddeeff";

class Blobs : public ::testing::Test {
 protected:
  std::string PutRequest(std::string_view target, std::string_view content,
                         std::string_view headers = "") {
    return MakeRequest("PUT", target, server_.Authorization() + std::string(headers), content);
  }
  Answer Put(std::string_view content) { return peer_.Ask(PutRequest(kBlob, content)); }
  Answer GetRange(std::string_view range) {
    return peer_.Ask(MakeRequest("GET", kBlob, "Range: " + std::string(range) + "\r\n"));
  }
  HttpPeer NewPeer() { return HttpPeer(server_.port()); }
  bool HasNoLeftovers() { return std::filesystem::is_empty(server_.folder() / "incoming"); }

  RunningServer server_{{}, {.blob_bytes = 64 << 20, .disk_kept_bytes = 0}};
  HttpPeer peer_{server_.port()};
};

TEST_F(Blobs, ComeBackAsTheyWerePut) {
  const std::string content = RandomText(1'000'000, 1);
  const Answer put = Put(content);
  EXPECT_EQ(put.status, 201U);
  EXPECT_EQ(put.Header("content-length"), "0");
  const Answer got = peer_.Ask(MakeRequest("GET", kBlob));
  EXPECT_EQ(got.status, 200U);
  EXPECT_EQ(got.Header("accept-ranges"), "bytes");
  EXPECT_EQ(got.Header("content-range"), "");
  EXPECT_TRUE(got.body == content);
}

TEST_F(Blobs, MayBeEmpty) {
  EXPECT_EQ(peer_.Ask(PutRequest(kBlob, "", "Content-Length: 0\r\n")).status, 201U);
  EXPECT_EQ(peer_.Ask(MakeRequest("GET", kBlob)).body, "");
  EXPECT_EQ(GetRange("bytes=0-0").status, 416U);
}

TEST_F(Blobs, TellTheirSizeToHead) {
  ASSERT_EQ(Put("0123456789").status, 201U);
  const Answer head = peer_.Ask(MakeRequest("HEAD", kBlob), false);
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.Header("content-length"), "10");
  EXPECT_EQ(head.Header("accept-ranges"), "bytes");
  // Nothing follows it: the next answer is the next request's.
  EXPECT_EQ(peer_.Ask(MakeRequest("HEAD", kOther), false).status, 404U);
  EXPECT_EQ(peer_.Ask(MakeRequest("GET", kBlob)).body, "0123456789");
}

TEST_F(Blobs, GiveTheRangeAskedFor) {
  ASSERT_EQ(Put("0123456789").status, 201U);
  struct Case {
    std::string_view range, content_range, body;
  };
  for (const Case& c : {Case{"bytes=0-0", "bytes 0-0/10", "0"},
                        {"bytes=2-5", "bytes 2-5/10", "2345"},
                        {"bytes=9-9", "bytes 9-9/10", "9"},
                        {"bytes=0-9", "bytes 0-9/10", "0123456789"},
                        {"bytes=5-99", "bytes 5-9/10", "56789"},
                        {"bytes=7-", "bytes 7-9/10", "789"},
                        {"bytes=-3", "bytes 7-9/10", "789"},
                        {"bytes=-99", "bytes 0-9/10", "0123456789"}}) {
    const Answer answer = GetRange(c.range);
    EXPECT_EQ(answer.status, 206U) << c.range;
    EXPECT_EQ(answer.Header("content-range"), c.content_range);
    EXPECT_EQ(answer.body, c.body);
  }
}

TEST_F(Blobs, GiveRangesLargerThanAnyBuffer) {
  const std::string content = RandomText(3'000'000, 2);
  ASSERT_EQ(Put(content).status, 201U);
  EXPECT_TRUE(GetRange("bytes=1-2999998").body == content.substr(1, 2'999'998));
  EXPECT_TRUE(GetRange("bytes=131071-262144").body == content.substr(131'071, 131'074));
}

TEST_F(Blobs, RefuseOtherRangesAndTellTheSize) {
  ASSERT_EQ(Put("0123456789").status, 201U);
  for (const auto& [range, reason] : {std::pair{"bytes=10-", "range_unsatisfiable"},
                                      {"bytes=-0", "range_unsatisfiable"},
                                      {"bytes=5-4", "range_malformed"},
                                      {"bytes=x", "range_malformed"},
                                      {"bytes=0-1\r\nRange: bytes=2-3", "range_malformed"},
                                      {"bytes=0-1,3-4", "range_multiple"}}) {
    const Answer answer = GetRange(range);
    EXPECT_EQ(answer.status, 416U) << range;
    EXPECT_EQ(answer.Reason(), reason) << range;
    EXPECT_EQ(answer.Header("content-range"), "bytes */10");
  }
}

TEST_F(Blobs, IgnoreRangesWhereTheyMeanNothing) {
  ASSERT_EQ(Put("0123456789").status, 201U);
  EXPECT_EQ(GetRange("chunks=1-2").status, 200U);
  EXPECT_EQ(GetRange("bytes=1-2\r\nIf-Range: \"x\"").status, 200U);
  EXPECT_EQ(peer_.Ask(MakeRequest("HEAD", kBlob, "Range: bytes=1-2\r\n"), false).status, 200U);
}

TEST_F(Blobs, AreImmutable) {
  EXPECT_EQ(Put("content").status, 201U);
  EXPECT_EQ(Put("content").status, 200U);
  for (const std::string_view other : {"Content", "conten", "content!"}) {
    HttpPeer peer = NewPeer();
    const Answer answer = peer.Ask(PutRequest(kBlob, other));
    EXPECT_EQ(answer.status, 409U) << other;
    EXPECT_EQ(answer.Reason(), "blob_conflict");
  }
  EXPECT_EQ(peer_.Ask(MakeRequest("GET", kBlob)).body, "content");
  EXPECT_TRUE(HasNoLeftovers());
}

TEST_F(Blobs, AreStoredOnceWhoeverUploadsThemTogether) {
  std::atomic<int> created = 0;
  std::atomic<int> equal = 0;
  std::vector<std::thread> threads;
  const std::string content = RandomText(400'000, 3);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      HttpPeer peer = NewPeer();
      const unsigned status = peer.Ask(PutRequest(kBlob, content)).status;
      created += status == 201;
      equal += status == 200;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 1);
  EXPECT_EQ(equal, 7);
  EXPECT_TRUE(HasNoLeftovers());
}

TEST_F(Blobs, AreRemovedByDelete) {
  ASSERT_EQ(Put("content").status, 201U);
  const std::string request = MakeRequest("DELETE", kBlob, server_.Authorization());
  const Answer removed = peer_.Ask(request);
  EXPECT_EQ(removed.status, 204U);
  EXPECT_EQ(removed.headers.count("content-length"), 0U);
  EXPECT_EQ(peer_.Ask(request).Reason(), "blob_not_found");
  EXPECT_EQ(peer_.Ask(MakeRequest("GET", kBlob)).status, 404U);
}

TEST_F(Blobs, ChangeOnlyForWhoeverHasTheToken) {
  ASSERT_EQ(Put("content").status, 201U);
  const std::string wrong = "Authorization: Bearer " + std::string(64, 'b') + "\r\n";
  for (const std::string& header : {std::string(), wrong, server_.Authorization() + wrong,
                                    std::string("Authorization: Basic YTpi\r\n")}) {
    HttpPeer putter = NewPeer();
    const Answer put = putter.Ask(MakeRequest("PUT", kOther, header, "content"));
    EXPECT_EQ(put.status, 401U);
    EXPECT_EQ(put.Reason(), "token_required");
    EXPECT_TRUE(put.Header("www-authenticate").starts_with("Bearer"));
    EXPECT_EQ(peer_.Ask(MakeRequest("DELETE", kBlob, header)).status, 401U);
  }
  EXPECT_EQ(peer_.Ask(MakeRequest("GET", kBlob)).status, 200U);
  EXPECT_EQ(peer_.Ask(MakeRequest("GET", kOther)).status, 404U);
}

TEST_F(Blobs, TellTheirExistenceToNoUnauthorizedUpload) {
  ASSERT_EQ(Put("content").status, 201U);
  EXPECT_EQ(peer_.Ask(MakeRequest("PUT", kBlob, "", "other content")).status, 401U);
}

TEST_F(Blobs, HaveIdsOfOneForm) {
  for (const std::string id :
       {"", "0", "00112233445566778899aabbccddeef", "00112233445566778899AABBCCDDEEFF",
        "00112233445566778899aabbccddeeff0", "../../etc/passwd", "%2e%2e%2f", "x?y",
        "00112233445566778899aabbccddee/f"}) {
    const Answer answer = peer_.Ask(MakeRequest("GET", "/v1/blobs/" + id));
    EXPECT_EQ(answer.status, 400U) << id;
    EXPECT_EQ(answer.Reason(), "blob_id_malformed") << id;
    HttpPeer putter = NewPeer();
    EXPECT_EQ(putter.Ask(PutRequest("/v1/blobs/" + id, "x")).status, 400U) << id;
  }
}

TEST_F(Blobs, NeedALength) {
  EXPECT_EQ(peer_.Ask(PutRequest(kBlob, "")).Reason(), "length_required");
  HttpPeer chunked = NewPeer();
  const Answer answer =
      chunked.Ask(PutRequest(kBlob, "", "Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n0\r\n\r\n");
  EXPECT_EQ(answer.status, 411U);
  EXPECT_TRUE(chunked.HasEnded());
}

TEST_F(Blobs, HaveALargestSize) {
  const Answer answer = peer_.Ask(PutRequest(kBlob, "", "Content-Length: 67108865\r\n"));
  EXPECT_EQ(answer.status, 413U);
  EXPECT_EQ(answer.Reason(), "blob_too_large");
  HttpPeer huge = NewPeer();
  EXPECT_EQ(huge.Ask(PutRequest(kBlob, "", "Content-Length: 18446744073709551615\r\n")).status,
            413U);
  HttpPeer wrapping = NewPeer();
  EXPECT_EQ(wrapping.Ask(PutRequest(kBlob, "", "Content-Length: 18446744073709551616\r\n")).status,
            400U);
}

TEST_F(Blobs, AreAskedForBeforeTheyAreSent) {
  const std::string content = RandomText(300'000, 4);
  const std::string headers =
      "Expect: 100-continue\r\nContent-Length: " + std::to_string(content.size()) + "\r\n";
  EXPECT_EQ(peer_.Ask(PutRequest(kBlob, "", headers)).status, 100U);
  EXPECT_EQ(peer_.Ask(content).status, 201U);
  // A refusal comes instead of the question, and saves the body.
  EXPECT_EQ(
      peer_.Ask(PutRequest(kBlob, "", "Expect: 100-continue\r\nContent-Length: 1\r\n")).status,
      409U);
  EXPECT_TRUE(peer_.HasEnded());
}

TEST_F(Blobs, MeetNoOtherExpectation) {
  const Answer answer = peer_.Ask(PutRequest(kBlob, "content", "Expect: miracles\r\n"));
  EXPECT_EQ(answer.status, 417U);
  EXPECT_EQ(answer.Reason(), "expectation_unknown");
}

TEST_F(Blobs, AreNothingIfTheirUploadIsCut) {
  const std::string request = PutRequest(kBlob, RandomText(500'000, 5));
  for (const size_t sent : {request.size() - 1, request.size() / 2, request.size() - 500'000}) {
    HttpPeer peer = NewPeer();
    peer.Send(std::string_view(request).substr(0, sent));
    if (sent % 2 == 0) {
      peer.EndSending();
    } else {
      peer.Reset();
      continue;
    }
    EXPECT_TRUE(peer.HasEnded());
  }
  EXPECT_EQ(peer_.Ask(MakeRequest("GET", kBlob)).status, 404U);
  for (int i = 0; i < 600 && !HasNoLeftovers(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(HasNoLeftovers());
}

TEST_F(Blobs, RefuseEarlyAndTheRefusalIsRead) {
  // Far more than sockets buffer: the server must refuse without reading it, and be heard all the
  // same.
  const std::string request = MakeRequest("PUT", kBlob, "", RandomText(3'000'000, 6));
  EXPECT_EQ(peer_.Ask(request).Reason(), "token_required");
}

TEST(DiskKept, RefusesUploadsThatWouldFillTheDisk) {
  RunningServer server({}, {.disk_kept_bytes = uint64_t{1} << 62});
  HttpPeer peer(server.port());
  const Answer answer = peer.Ask(MakeRequest("PUT", kBlob, server.Authorization(), "content"));
  EXPECT_EQ(answer.status, 507U);
  EXPECT_EQ(answer.Reason(), "disk_full");
}

TEST(SlowUpload, IsCut) {
  RunningServer server({.idle_timeout = std::chrono::milliseconds(1000)}, {.disk_kept_bytes = 0});
  HttpPeer peer(server.port());
  peer.Send(MakeRequest("PUT", kBlob, server.Authorization() + "Content-Length: 1000\r\n"));
  // A byte now and then is no progress: the deadline is a piece's.
  for (int i = 0; i < 40; ++i) {
    peer.Send("x");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  peer.Send(std::string(960, 'x'));
  EXPECT_TRUE(peer.HasEnded());
}

TEST(SlowDownload, IsCut) {
  RunningServer server({.idle_timeout = std::chrono::milliseconds(300)}, {.disk_kept_bytes = 0});
  HttpPeer peer(server.port());
  const size_t size = 40'000'000;  // more than the sockets' buffers take
  ASSERT_EQ(peer.Ask(MakeRequest("PUT", kBlob, server.Authorization(), RandomText(size, 7))).status,
            201U);
  peer.Send(MakeRequest("GET", kBlob));
  std::this_thread::sleep_for(std::chrono::milliseconds(3000));
  EXPECT_LT(peer.ReceiveRest().size(), size);
}

}  // namespace
}  // namespace ephemeralml::proxy
