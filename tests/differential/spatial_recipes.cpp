// Operators over images: sampled, rearranged, pooled, normalized.

#include <algorithm>

#include "tests/differential/window_attributes.h"

namespace ephemeralml::differential {
namespace {

using decompose::testing::AddFloat;
using decompose::testing::AddInt;
using decompose::testing::AddInts;
using decompose::testing::AddString;

const Value kNone = {"", ElementType::kFloat, std::nullopt};

Value Floats(GraphMaker& maker, const Shape& shape) {
  return maker.Fresh(ElementType::kFloat, shape);
}

Shape Image(int64_t most_extent = 6) {
  return {Draw(1, 2), Draw(1, 3), Draw(2, most_extent), Draw(2, most_extent)};
}

void AddResize(GraphMaker& maker, const std::string& op) {
  const Shape shape = Image();
  const std::string mode = OneOf<std::string>({"nearest", "linear", "cubic"});
  const Value x = Floats(maker, shape);
  Shape result = shape;
  result[2] = Draw(1, 9);
  result[3] = Draw(1, 9);
  std::vector<Value> inputs = {x, kNone};
  const bool by_sizes = Chance(50);
  if (by_sizes) {
    inputs.push_back(kNone);
    inputs.push_back(maker.Integers(result));
  } else {
    const auto half = [] { return static_cast<float>(Draw(1, 5)) / 2; };
    inputs.push_back(maker.Constants({1, 1, half(), half()}));
    result.clear();
  }
  // Version 11 lists all inputs.
  if (maker.opset() < 13) inputs[1] = maker.Constants({0, 0, 0, 0, 1, 1, 1, 1});
  if (maker.opset() < 13 && by_sizes) inputs[2] = maker.Constants({});
  onnx::NodeProto* node =
      maker.Node(op, inputs, ElementType::kFloat,
                 result.empty() ? std::optional<Shape>() : std::optional<Shape>(result));
  AddString(node, "mode", mode);
  const auto places =
      OneOf<std::string>({"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"});
  AddString(node, "coordinate_transformation_mode", places);
  if (mode == "nearest") {
    AddString(node, "nearest_mode",
              OneOf<std::string>({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}));
  }
  if (mode == "cubic" && Chance(50)) AddFloat(node, "cubic_coeff_a", -0.5F);
  if (mode == "cubic" && Chance(30)) AddInt(node, "exclude_outside", 1);
  if (mode != "nearest" && maker.opset() >= 18 && Chance(30)) AddInt(node, "antialias", 1);
}

void AddGridSample(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Shape shape = Image();
  const Value grid =
      maker.Fresh(ElementType::kFloat, {shape[0], Draw(1, 4), Draw(1, 4), 2}, {-1.3, 1.3});
  onnx::NodeProto* node = maker.Node(op, {Floats(maker, shape), grid}, ElementType::kFloat,
                                     Shape{shape[0], shape[1], (*grid.shape)[1], (*grid.shape)[2]});
  const bool has_new_names = maker.opset() >= 20;
  AddString(node, "mode",
            has_new_names ? OneOf<std::string>({"linear", "nearest", "cubic"})
                          : OneOf<std::string>({"bilinear", "nearest", "bicubic"}));
  AddString(node, "padding_mode", OneOf<std::string>({"zeros", "border", "reflection"}));
  if (Chance(50)) AddInt(node, "align_corners", 1);
}

void AddAffineGrid(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const int64_t batch = Draw(1, 2);
  const bool is_flat = Chance(60);
  const bool aligns = Chance(50);
  // Where a single point lies between aligned corners ONNX doesn't say.
  const int64_t least = aligns ? 2 : 1;
  const Shape size = is_flat ? Shape{batch, 1, Draw(least, 4), Draw(least, 4)}
                             : Shape{batch, 1, Draw(least, 3), Draw(least, 3), Draw(least, 3)};
  const Shape theta = is_flat ? Shape{batch, 2, 3} : Shape{batch, 3, 4};
  onnx::NodeProto* node = maker.Node(op, {Floats(maker, theta), maker.Integers(size)},
                                     ElementType::kFloat, std::nullopt);
  if (aligns) AddInt(node, "align_corners", 1);
}

void AddDepthToSpace(GraphMaker& maker, const std::string& op) {
  const int64_t block = Draw(1, 3);
  const bool deepens = op == "SpaceToDepth";
  Shape shape = {Draw(1, 2), Draw(1, 2), Draw(1, 3), Draw(1, 3)};
  Shape result = shape;
  if (deepens) {
    shape[2] *= block;
    shape[3] *= block;
    result[1] *= block * block;
  } else {
    shape[1] *= block * block;
    result[2] *= block;
    result[3] *= block;
  }
  onnx::NodeProto* node = maker.Node(op, {Floats(maker, shape)}, ElementType::kFloat, result);
  AddInt(node, "blocksize", block);
  if (!deepens && Chance(50)) AddString(node, "mode", "CRD");
}

void AddLpPool(GraphMaker& maker, const std::string& op) {
  WindowCase window = DrawWindow(OneOf<int64_t>({1, 2, 2}));
  window.avoids_gaps = true;
  window.has_dilations = maker.opset() >= 18;
  Shape x = {Draw(1, 2), Draw(1, 3)};
  x.insert(x.end(), window.input.begin(), window.input.end());
  onnx::NodeProto* node = maker.Node(op, {Floats(maker, x)}, ElementType::kFloat, std::nullopt);
  AddInts(node, "kernel_shape", window.kernel);
  AddWindowAttributes(node, window);
  if (Chance(50)) AddInt(node, "p", Draw(1, 3));
}

// ONNX Runtime has no implementation of the versions from 22 on of these.
bool IsOfOldVersion(const GraphMaker& maker) { return maker.opset() < 22; }

void AddGlobalLpPool(GraphMaker& maker, const std::string& op) {
  if (!IsOfOldVersion(maker)) return;
  const Shape x = Image();
  onnx::NodeProto* node =
      maker.Node(op, {Floats(maker, x)}, ElementType::kFloat, Shape{x[0], x[1], 1, 1});
  if (Chance(50)) AddInt(node, "p", Draw(1, 3));
}

void AddMaxUnpool(GraphMaker& maker, const std::string& op) {
  const Shape x = {Draw(1, 2), Draw(1, 2), 2 * Draw(1, 3), 2 * Draw(1, 3)};
  const Shape pooled = {x[0], x[1], x[2] / 2, x[3] / 2};
  onnx::NodeProto* pool = maker.Node("MaxPool", {Floats(maker, x)}, ElementType::kFloat, pooled);
  maker.Output(pool, ElementType::kInt64, pooled);
  AddInts(pool, "kernel_shape", {2, 2});
  AddInts(pool, "strides", {2, 2});
  const Value values{pool->output(0), ElementType::kFloat, pooled};
  const Value places{pool->output(1), ElementType::kInt64, pooled};
  onnx::NodeProto* node = maker.Node(op, {values, places}, ElementType::kFloat, x);
  AddInts(node, "kernel_shape", {2, 2});
  AddInts(node, "strides", {2, 2});
}

void AddCol2Im(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Shape image = {Draw(3, 6), Draw(3, 6)};
  const Shape block = {Draw(1, 3), Draw(1, 3)};
  const std::vector<int64_t> pads = {Draw(0, 1), Draw(0, 1), Draw(0, 1), Draw(0, 1)};
  const std::vector<int64_t> strides = {Draw(1, 2), Draw(1, 2)};
  int64_t columns = 1;
  for (size_t i = 0; i < 2; ++i) {
    columns *= (image[i] + pads[i] + pads[i + 2] - block[i]) / strides[i] + 1;
  }
  const Value x = Floats(maker, {Draw(1, 2), Draw(1, 2) * block[0] * block[1], columns});
  onnx::NodeProto* node =
      maker.Node(op, {x, maker.Integers(image), maker.Integers(block)}, ElementType::kFloat,
                 Shape{(*x.shape)[0], (*x.shape)[1] / (block[0] * block[1]), image[0], image[1]});
  AddInts(node, "pads", pads);
  AddInts(node, "strides", strides);
}

void AddCenterCropPad(GraphMaker& maker, const std::string& op) {
  if (!maker.Has(op)) return;
  const Shape x = Image();
  const Shape wanted = {Draw(1, 8), Draw(1, 8)};
  onnx::NodeProto* node = maker.Node(op, {Floats(maker, x), maker.Integers(wanted)},
                                     ElementType::kFloat, Shape{x[0], x[1], wanted[0], wanted[1]});
  AddInts(node, "axes", {Chance(50) ? 2 : -2, 3});
}

void AddRoi(GraphMaker& maker, const std::string& op) {
  if (!IsOfOldVersion(maker)) return;
  const Shape x = Image();
  const int64_t count = Draw(1, 3);
  const bool aligns = op == "RoiAlign";
  const Value image = Floats(maker, x);
  std::vector<float> boxes;
  for (int64_t i = 0; i < count; ++i) {
    if (!aligns) boxes.push_back(static_cast<float>(Draw(0, x[0] - 1)));
    const auto left = static_cast<float>(Draw(0, x[3] - 2));
    const auto top = static_cast<float>(Draw(0, x[2] - 2));
    boxes.insert(boxes.end(), {left, top, left + static_cast<float>(Draw(1, 3)),
                               top + static_cast<float>(Draw(1, 3))});
  }
  const Value rois = maker.Constants(boxes, Shape{count, aligns ? 4 : 5});
  const Shape pooled = {Draw(1, 3), Draw(1, 3)};
  std::vector<Value> inputs = {image, rois};
  if (aligns) {
    inputs.push_back(maker.Fresh(ElementType::kInt64, {count}, {0, static_cast<double>(x[0] - 1)}));
  }
  onnx::NodeProto* node =
      maker.Node(op, inputs, ElementType::kFloat, Shape{count, x[1], pooled[0], pooled[1]});
  AddFloat(node, "spatial_scale", Chance(50) ? 1.0F : 0.5F);
  if (!aligns) {
    AddInts(node, "pooled_shape", pooled);
    return;
  }
  AddInt(node, "output_height", pooled[0]);
  AddInt(node, "output_width", pooled[1]);
  // Of several samples ONNX Runtime adds maxima up wrongly, as it says itself.
  const bool takes_most = Chance(30);
  if (takes_most) AddString(node, "mode", "max");
  if (takes_most || Chance(50)) AddInt(node, "sampling_ratio", takes_most ? 1 : 2);
  if (maker.opset() >= 16 && Chance(50)) {
    AddString(node, "coordinate_transformation_mode", "output_half_pixel");
  }
}

void AddLocalNormalization(GraphMaker& maker, const std::string& op) {
  // Of few elements ONNX Runtime's differences of squares leave little of a variance.
  const Shape x = {2, Draw(1, 6), Draw(2, 4), Draw(2, 4)};
  onnx::NodeProto* node = maker.Node(op, {Floats(maker, x)}, ElementType::kFloat, x);
  if (op == "MeanVarianceNormalization") return;
  AddInt(node, "size", 2 * Draw(0, 2) + 1);
  if (Chance(50)) AddFloat(node, "alpha", 0.25F);
  if (Chance(50)) AddFloat(node, "bias", 2);
}

void AddGroupNormalization(GraphMaker& maker, const std::string& op) {
  // Of version 18 the scale was one a group, of which ONNX Runtime has no implementation.
  if (maker.opset() < 21) return;
  const int64_t groups = Draw(1, 3);
  const Shape x = {Draw(1, 2), groups * Draw(1, 3), Draw(2, 4), Draw(3, 4)};
  AddInt(maker.Node(op, {Floats(maker, x), Floats(maker, {x[1]}), Floats(maker, {x[1]})},
                    ElementType::kFloat, x),
         "num_groups", groups);
}

}  // namespace

std::vector<NamedRecipe> SpatialRecipes() {
  return {{"Resize", AddResize},
          {"Resize", AddResize},
          {"GridSample", AddGridSample},
          {"AffineGrid", AddAffineGrid},
          {"DepthToSpace", AddDepthToSpace},
          {"SpaceToDepth", AddDepthToSpace},
          {"LpPool", AddLpPool},
          {"GlobalLpPool", AddGlobalLpPool},
          {"MaxUnpool", AddMaxUnpool},
          {"Col2Im", AddCol2Im},
          {"CenterCropPad", AddCenterCropPad},
          {"RoiAlign", AddRoi},
          {"MaxRoiPool", AddRoi},
          {"LRN", AddLocalNormalization},
          {"MeanVarianceNormalization", AddLocalNormalization},
          {"GroupNormalization", AddGroupNormalization}};
}

}  // namespace ephemeralml::differential
