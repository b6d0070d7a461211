#include "enclave/engine/kernels/quantization.h"

#include <algorithm>

#include "common/operators/operators.h"
#include "enclave/engine/kernels/convert.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr size_t kRunElements = 16 * 1024;

size_t BlocksOf(size_t extent, size_t block) { return extent / block + (extent % block != 0); }

Result<std::vector<float>> AsFloats(KernelContext& context, const TensorView& view) {
  std::vector<float> floats(view.bytes.size() / wire::ElementBytes(view.type));
  TRY_OK(
      ConvertElements(context.threads(), view, ElementType::kFloat,
                      {reinterpret_cast<uint8_t*>(floats.data()), floats.size() * sizeof(float)}));
  return floats;
}

Error CountsDiffer() {
  return ShapeInvalid("scale and zero point differ in their number of elements");
}

}  // namespace

Done ScaleMap::CheckScale(const Shape& shape, const Shape& scale, size_t axis, int64_t block) {
  if (block == 0) {
    if (scale.size() == 1 && scale[0] == shape[axis]) return {};
    return ShapeInvalid("the scale hasn't one element for each index of the axis");
  }
  if (scale.size() != shape.size()) {
    return ShapeInvalid("the scale hasn't as many axes as what it belongs to");
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    const auto blocks = static_cast<int64_t>(
        BlocksOf(static_cast<size_t>(shape[i]), static_cast<size_t>(i == axis ? block : 1)));
    if (scale[i] != blocks) return ShapeInvalid("the scale hasn't one element for each block");
  }
  return {};
}

Result<ScaleMap> ScaleMap::Create(const Shape& shape, const Shape& scale, int64_t axis,
                                  int64_t block) {
  ScaleMap map;
  TRY(map.count_, ElementCount(shape));
  TRY(const size_t scales, ElementCount(scale));
  if (scales == 1 && scale.size() <= 1 && block == 0) {
    map.run_count_ = BlocksOf(map.count_, kRunElements);
    return map;
  }
  TRY(const size_t place, NormalizeAxis(axis, shape.size()));
  TRY_OK(CheckScale(shape, scale, place, block));
  if (map.count_ == 0) return map;
  map.extent_ = static_cast<size_t>(shape[place]);
  TRY(map.inner_, CountBetween(shape, place + 1, shape.size()));
  const size_t outer = map.count_ / map.extent_ / map.inner_;
  if (block == 0) {
    map.kind_ = map.inner_ == 1 ? Kind::kLastAxis : Kind::kAxis;
    map.run_count_ = map.inner_ == 1 ? outer : outer * map.extent_;
    return map;
  }
  map.block_ = static_cast<size_t>(block);
  map.blocks_ = BlocksOf(map.extent_, map.block_);
  map.kind_ = map.inner_ == 1 ? Kind::kLastBlocks : Kind::kBlocks;
  map.run_count_ = map.inner_ == 1 ? outer * map.blocks_ : outer * map.extent_;
  return map;
}

size_t ScaleMap::grain() const {
  return kRunElements / std::max<size_t>(count_ / std::max<size_t>(run_count_, 1), 1) + 1;
}

ScaleRun ScaleMap::RunAt(size_t index) const {
  const size_t outer = index / extent_;
  const size_t at = index % extent_;
  switch (kind_) {
    case Kind::kOne:
      return {index * kRunElements, 0, std::min(kRunElements, count_ - index * kRunElements), 0};
    case Kind::kAxis:
      return {index * inner_, at, inner_, 0};
    case Kind::kLastAxis:
      return {index * extent_, 0, extent_, 1};
    case Kind::kBlocks:
      return {index * inner_, (outer * blocks_ + at / block_) * inner_, inner_, 1};
    case Kind::kLastBlocks: {
      const size_t begin = index % blocks_ * block_;
      return {index / blocks_ * extent_ + begin, index, std::min(block_, extent_ - begin), 0};
    }
  }
  return {};
}

Result<std::vector<float>> ReadScales(KernelContext& context, size_t index) {
  TRY(const TensorView view, RequiredInput(context, index));
  const bool is_scale = view.type == ElementType::kFloat || view.type == ElementType::kFloat16 ||
                        view.type == ElementType::kBfloat16 || view.type == ElementType::kInt32 ||
                        view.type == ElementType::kFloat8E8M0;
  if (!is_scale) return TypeUnsupported(view.type);
  return AsFloats(context, view);
}

Result<std::vector<int32_t>> ReadZeroPoints(KernelContext& context, size_t index, size_t count) {
  std::vector<int32_t> zeros(count);
  if (index >= context.input_count() || !context.HasInput(index)) return zeros;
  if (wire::IsSmallInteger(context.InputType(index))) {
    TRY(const std::vector<float> small, ReadSmallZeroPoints(context, index, count));
    std::ranges::transform(small, zeros.begin(), [](float v) { return static_cast<int32_t>(v); });
    return zeros;
  }
  TRY(const TensorView view, context.Input(index));
  using Types = TypeList<int8_t, uint8_t, int16_t, uint16_t, int32_t>;
  TRY_OK(WithType(Types{}, view.type, [&]<class T>(std::type_identity<T>) -> Done {
    const auto values = view.Values<T>();
    if (values.size() != count) {
      return CountsDiffer();
    }
    std::ranges::copy(values, zeros.begin());
    return {};
  }));
  return zeros;
}

Result<std::vector<float>> ReadSmallZeroPoints(KernelContext& context, size_t index, size_t count) {
  if (index >= context.input_count() || !context.HasInput(index)) return std::vector<float>(count);
  TRY(const TensorView view, context.Input(index));
  if (!wire::IsSmallInteger(view.type) && !wire::IsSmallFloat(view.type)) {
    return TypeUnsupported(view.type);
  }
  if (view.bytes.size() != count) return CountsDiffer();
  return AsFloats(context, view);
}

Result<ElementType> ReadLinearType(const NodeSpec& node, std::string_view name) {
  TRY(const int64_t number, node.attributes.Int(name, 0));
  if (number == 0) return ElementType::kUndefined;
  return ReadTypeAttribute(node, name, ElementType::kUndefined);
}

int64_t OnnxVersion(const NodeSpec& node) {
  return node.domain == "ephemeralml" ? operators::kNewestOpset : node.opset;
}

}  // namespace ephemeralml::engine::kernels
