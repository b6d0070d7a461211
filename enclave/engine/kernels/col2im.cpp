#include "enclave/engine/kernels/dispatch.h"
#include "enclave/engine/kernels/indices.h"

namespace ephemeralml::engine::kernels {
namespace {

constexpr int64_t kMostPerAxis = int64_t{1} << 30;

/// Adds blocks, one a column, up to the picture that they were cut from; any number of spatial
/// axes. Types: all numeric. Source: ONNX operator Col2Im, version 18.
class Col2Im final : public Kernel {
 public:
  Col2Im(std::vector<int64_t> strides, std::vector<int64_t> dilations, std::vector<int64_t> pads)
      : strides_(std::move(strides)), dilations_(std::move(dilations)), pads_(std::move(pads)) {}

  Done Run(KernelContext& context) const override {
    TRY(const TensorView input, RequiredInput(context, 0));
    TRY(const std::vector<int64_t> image, ReadIntegers(context, 1));
    TRY(const std::vector<int64_t> block, ReadIntegers(context, 2));
    TRY(const Geometry g, Place(image, block));
    TRY(const size_t taps, ElementCount(block));
    TRY(const size_t columns, ElementCount(g.columns));
    if (input.shape.size() != 3 || taps == 0 || input.shape[1] % static_cast<int64_t>(taps) != 0 ||
        input.shape[2] != static_cast<int64_t>(columns)) {
      return ShapeInvalid("Col2Im: blocks and picture don't fit");
    }
    Shape shape = {input.shape[0], input.shape[1] / static_cast<int64_t>(taps)};
    shape.insert(shape.end(), image.begin(), image.end());
    return WithType(NumericTypes{}, input.type, [&]<class T>(std::type_identity<T>) -> Done {
      TRY(Tensor * output, context.Output(0, input.type, shape));
      TRY(const size_t plane, ElementCount(image));
      const size_t planes = static_cast<size_t>(shape[0] * shape[1]);
      for (size_t i = 0; i < planes; ++i) {
        AddUp(g, Raw<T>(input) + i * taps * columns, Raw<T>(*output) + i * plane);
      }
      return {};
    });
  }

 private:
  struct Geometry {
    Shape image, block, columns;  // columns: blocks along each axis
    std::vector<int64_t> strides, dilations, pads;
  };

  Result<Geometry> Place(const Shape& image, const Shape& block) const {
    const size_t axes = image.size();
    Geometry g{image, block, {}, strides_, dilations_, pads_};
    if (g.strides.empty()) g.strides.assign(axes, 1);
    if (g.dilations.empty()) g.dilations.assign(axes, 1);
    if (g.pads.empty()) g.pads.assign(2 * axes, 0);
    if (axes == 0 || block.size() != axes || g.strides.size() != axes ||
        g.dilations.size() != axes || g.pads.size() != 2 * axes) {
      return ShapeInvalid("Col2Im: not one number for each spatial axis");
    }
    for (size_t i = 0; i < axes; ++i) {
      const auto is_bad = [](int64_t n, int64_t least) { return n < least || n > kMostPerAxis; };
      if (is_bad(image[i], 1) || is_bad(block[i], 1) || is_bad(g.strides[i], 1) ||
          is_bad(g.dilations[i], 1) || is_bad(g.pads[i], 0) || is_bad(g.pads[axes + i], 0)) {
        return InputInvalid("Col2Im: a size is out of range");
      }
      const int64_t reach = (block[i] - 1) * g.dilations[i] + 1;
      const int64_t steps = image[i] + g.pads[i] + g.pads[axes + i] - reach;
      if (steps < 0) return ShapeInvalid("Col2Im: the picture is smaller than a block");
      g.columns.push_back(steps / g.strides[i] + 1);
    }
    return g;
  }

  // Integers wrap: counted in an unsigned type at least as wide as int.
  template <class T>
  static T Sum(T a, T b) {
    using Wide = std::conditional_t<std::is_floating_point_v<T>, T,
                                    std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>>;
    return static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b));
  }

  template <class T>
  static void AddUp(const Geometry& g, const T* blocks, T* image) {
    const std::vector<int64_t> strides = Strides(g.image);
    size_t taps = 1;
    size_t columns = 1;
    for (size_t i = 0; i < g.image.size(); ++i) {
      taps *= static_cast<size_t>(g.block[i]);
      columns *= static_cast<size_t>(g.columns[i]);
    }
    Places tap(g.block);
    for (size_t t = 0; t < taps; ++t, tap.Next()) {
      Places column(g.columns);
      for (size_t c = 0; c < columns; ++c, column.Next()) {
        int64_t place = 0;
        bool inside = true;
        for (size_t i = 0; i < g.image.size(); ++i) {
          const int64_t at =
              column.at()[i] * g.strides[i] + tap.at()[i] * g.dilations[i] - g.pads[i];
          inside = inside && at >= 0 && at < g.image[i];
          place += at * strides[i];
        }
        if (inside) image[place] = Sum(image[place], blocks[t * columns + c]);
      }
    }
  }

  std::vector<int64_t> strides_;
  std::vector<int64_t> dilations_;
  std::vector<int64_t> pads_;
};

}  // namespace

MadeKernel MakeCol2Im(const NodeSpec& node) {
  TRY_OK(CheckArity(node, {.least_inputs = 3, .most_inputs = 3}));
  TRY(std::vector<int64_t> strides, node.attributes.Ints("strides", {}));
  TRY(std::vector<int64_t> dilations, node.attributes.Ints("dilations", {}));
  TRY(std::vector<int64_t> pads, node.attributes.Ints("pads", {}));
  return std::make_unique<Col2Im>(std::move(strides), std::move(dilations), std::move(pads));
}

}  // namespace ephemeralml::engine::kernels
