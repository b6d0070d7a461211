#include "client/tensors/json_walker.h"

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/tensors/tensors.h"

namespace ephemeralml::tensors {
namespace {

using nlohmann::json;
using wire::ElementType;

Error Malformed(std::string what) { return {Code::kMalformed, "json_malformed", std::move(what)}; }

Error Ragged() {
  return {Code::kMalformed, "json_ragged",
          "lists beside each other differ in length or depth; a tensor needs equal ones"};
}

Error OverLimit(std::string what) {
  return {Code::kOverLimit, "tensor_over_limit", std::move(what)};
}

Result<ElementType> TypeNamed(std::string_view name) {
  for (int number = 0; number <= static_cast<int>(ElementType::kInt2); ++number) {
    const auto type = static_cast<ElementType>(number);
    if (wire::ElementBytes(type) > 0 && wire::Name(type) == name) return type;
  }
  return Malformed("'" + std::string(name.substr(0, 16)) + "' isn't an element type");
}

// Follows one tensor's nested lists and learns their lengths.
class ListTracker {
 public:
  explicit ListTracker(std::vector<int64_t>& lengths) : lengths_(&lengths) {}

  Done Open() {
    if (leaf_depth_.has_value() && open_.size() >= *leaf_depth_) return Ragged();
    if (open_.size() == kMaxRank) {
      return OverLimit("lists are nested more than " + std::to_string(kMaxRank) + " deep");
    }
    CountItem();
    if (lengths_->size() == open_.size()) lengths_->push_back(kUnknown);
    open_.push_back(0);
    return {};
  }

  Done Leaf() {
    if (!leaf_depth_.has_value() && lengths_->size() == open_.size()) leaf_depth_ = open_.size();
    if (leaf_depth_ != open_.size()) return Ragged();
    CountItem();
    return {};
  }

  Done Close() {
    const int64_t items = open_.back();
    open_.pop_back();
    int64_t& length = (*lengths_)[open_.size()];
    if (length == kUnknown) length = items;
    if (length != items) return Ragged();
    return {};
  }

  bool IsClosed() const { return open_.empty(); }

 private:
  static constexpr int64_t kUnknown = -1;

  void CountItem() {
    if (!open_.empty()) ++open_.back();
  }

  std::vector<int64_t>* lengths_;
  std::vector<int64_t> open_;  // items seen so far in each open list
  std::optional<size_t> leaf_depth_;
};

class Walker final : public nlohmann::json_sax<json> {
 public:
  explicit Walker(const OnScalar& on_scalar) : on_scalar_(on_scalar) {}

  Result<std::vector<JsonOutline>> Take() && {
    if (failure_.has_value()) return *std::move(failure_);
    return std::move(outlines_);
  }

  bool start_object(size_t) override {
    if (place_ == Place::kStart) return Move(Place::kNames);
    if (place_ == Place::kTensor) return Move(Place::kFields);
    return Fail(Malformed("an object stands where there must be numbers"));
  }

  bool key(string_t& name) override {
    if (place_ == Place::kNames) return Check(BeginTensor(name)) && Move(Place::kTensor);
    if (name == "type" && !std::exchange(has_type_, true)) return Move(Place::kType);
    if (name == "shape" && !std::exchange(has_shape_, true)) return Move(Place::kBeforeShape);
    if (name == "data" && !std::exchange(has_data_, true)) return Move(Place::kFieldData);
    return Fail(Malformed("a tensor has the keys type, shape and data, each at most once"));
  }

  bool end_object() override {
    if (place_ == Place::kNames) return Move(Place::kEnd);
    if (!has_data_) return Fail(Malformed("a tensor lacks its data"));
    return Move(Place::kNames);
  }

  bool start_array(size_t) override {
    if (place_ == Place::kBeforeShape) {
      outlines_.back().shape.emplace();
      return Move(Place::kShape);
    }
    return EnterData() && Check(lists_->Open());
  }

  bool end_array() override {
    if (place_ == Place::kShape) return Move(Place::kFields);
    return Check(lists_->Close()) && LeaveData();
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) return ShapeSize(value);
    return Scalar(uint64_t{value});
  }
  bool number_integer(number_integer_t value) override { return Scalar(int64_t{value}); }
  bool number_float(number_float_t value, const string_t& text) override {
    return Scalar(Real{value, text});
  }
  bool boolean(bool value) override { return Scalar(value); }

  bool string(string_t& text) override {
    if (place_ == Place::kType) {
      auto type = TypeNamed(text);
      if (!type) return Fail(std::move(type).error());
      outlines_.back().type = *type;
      return Move(Place::kFields);
    }
    for (const auto& [name, value] : kNotNumbers) {
      if (text == name) return Scalar(Real{value, name});
    }
    return Fail(Malformed("text stands where there must be a number"));
  }

  bool null() override { return Fail(Malformed("null stands where there must be a number")); }
  bool binary(binary_t&) override { return Fail(Malformed("binary values aren't JSON")); }

  // The library's own message quotes the text, which is private.
  bool parse_error(size_t position, const std::string&, const json::exception&) override {
    return Fail(Malformed("the text isn't JSON at byte " + std::to_string(position)));
  }

 private:
  // Where the walk is; named for what comes next, or for what it is within.
  enum class Place {
    kStart,
    kNames,        // in the outermost object
    kTensor,       // after a tensor's name
    kFields,       // in a tensor's object
    kType,         // after "type"
    kBeforeShape,  // after "shape"
    kShape,        // in the list of "shape"
    kFieldData,    // after "data", and in its lists
    kNamedData,    // in the lists after a tensor's name
    kBareData,     // in the lists of a file without names
    kEnd,
  };

  static constexpr std::array<std::pair<std::string_view, double>, 3> kNotNumbers = {{
      {"nan", std::numeric_limits<double>::quiet_NaN()},
      {"inf", std::numeric_limits<double>::infinity()},
      {"-inf", -std::numeric_limits<double>::infinity()},
  }};

  bool Move(Place place) {
    place_ = place;
    return true;
  }

  bool Fail(Error error) {
    if (!failure_.has_value()) failure_ = std::move(error);
    return false;
  }

  bool Check(Done done) { return done.has_value() || Fail(std::move(done).error()); }

  Done BeginTensor(const std::string& name) {
    if (outlines_.size() == kMaxTensors) {
      return OverLimit("the file has more than " + std::to_string(kMaxTensors) + " tensors");
    }
    if (name.size() > kMaxNameBytes) return OverLimit("a tensor's name is too long");
    outlines_.push_back({.name = name, .type = {}, .shape = {}, .nesting = {}});
    has_type_ = has_shape_ = has_data_ = false;
    lists_.reset();
    return {};
  }

  // Called at each list or number: makes sure that data may stand here.
  bool EnterData() {
    if (place_ == Place::kStart) {
      if (!Check(BeginTensor("")) || !Move(Place::kBareData)) return false;
    } else if (place_ == Place::kTensor) {
      place_ = Place::kNamedData;
    } else if (place_ != Place::kFieldData && place_ != Place::kNamedData &&
               place_ != Place::kBareData) {
      return Fail(Malformed("a list or number stands where something else must be"));
    }
    if (!lists_.has_value()) lists_.emplace(outlines_.back().nesting);
    return true;
  }

  bool LeaveData() {
    if (!lists_->IsClosed()) return true;
    if (place_ == Place::kFieldData) return Move(Place::kFields);
    return Move(place_ == Place::kNamedData ? Place::kNames : Place::kEnd);
  }

  bool Scalar(const JsonScalar& scalar) {
    if (!EnterData() || !Check(lists_->Leaf())) return false;
    ++outlines_.back().count;
    return Check(on_scalar_(outlines_.size() - 1, scalar)) && LeaveData();
  }

  bool ShapeSize(uint64_t size) {
    auto& shape = *outlines_.back().shape;
    if (shape.size() == kMaxRank || !std::in_range<int64_t>(size)) {
      return Fail(OverLimit("a shape has too many sizes, or one too large"));
    }
    shape.push_back(static_cast<int64_t>(size));
    return true;
  }

  const OnScalar& on_scalar_;
  Place place_ = Place::kStart;
  std::vector<JsonOutline> outlines_;
  std::optional<ListTracker>
      lists_;  // of the last tensor, whose outline stays put while it is open
  bool has_type_ = false;
  bool has_shape_ = false;
  bool has_data_ = false;
  std::optional<Error> failure_;
};

}  // namespace

Result<std::vector<JsonOutline>> WalkJson(std::string_view text, const OnScalar& on_scalar) {
  Walker walker(on_scalar);
  // The walker keeps the first failure; the return value says no more.
  (void)json::sax_parse(text.begin(), text.end(), &walker);
  return std::move(walker).Take();
}

}  // namespace ephemeralml::tensors
