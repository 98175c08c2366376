// See opening.h.
#include "engine/opening.h"

#include "base/crc32c.h"
#include "engine/position_list.h"

namespace qpkv {

std::vector<uint8_t> WriteLayer(const KvLayer& layer,
                                const std::vector<std::vector<int32_t>>& kept) {
  ByteWriter out;
  layer.Write(&out);
  const size_t begin = out.size();
  for (const std::vector<int32_t>& positions : kept) WritePositions(positions, &out);
  out.Put(Crc32c(out.data() + begin, out.size() - begin));
  return out.Take();
}

Opening::Opening(std::shared_ptr<Model> model, CompressionPlan plan, std::vector<int32_t> ids,
                 int expected, ContextMemory memory)
    : model_(std::move(model)),
      plan_(std::move(plan)),
      ids_(std::move(ids)),
      expected_(expected),
      memory_(memory),
      grant_(model_->memory) {
  if (static_cast<int>(plan_.layers.size()) != model_->description.layers)
    throw Error("KV_UNSUPPORTED", "The plan has " + std::to_string(plan_.layers.size()) +
                                      " layers, the model " +
                                      std::to_string(model_->description.layers) + ".");
  open_.emplace(model_->memory);
}

bool Opening::Admit() {
  if (!admitted_)
    admitted_ =
        grant_.Add(memory_.cache + memory_.per_token * static_cast<size_t>(memory_.growth_tokens));
  return admitted_;
}

std::vector<std::vector<int32_t>> Opening::AddLayer(const std::vector<uint8_t>& bytes) {
  EngineLock lock(*model_->engine);
  const int index = static_cast<int>(layers_.size());
  if (index >= model_->description.layers)
    throw Error("KV_BUSY", "All layers are there; call finish().");
  const LayerShape shape = model_->ShapeOf(index, StoresQueryHeads(plan_));
  const auto tokens = static_cast<int>(ids_.size());
  ByteReader in(bytes.data(), bytes.size());
  auto layer = std::make_unique<KvLayer>(model_->engine,
                                         std::make_shared<const LayerPlan>(plan_.layers[index]),
                                         shape, model_->RopeOf(index, expected_), tokens, &in);
  const size_t begin = in.at();
  const uint8_t* start = in.Skip(0);
  std::vector<std::vector<int32_t>> kept;
  for (int head = 0; head < shape.stored_heads(); ++head)
    kept.push_back(ReadPositions(&in, tokens));
  const uint32_t sum = Crc32c(start, in.at() - begin);
  if (in.Get<uint32_t>() != sum || in.left() > 0)
    ByteReader::Refuse("its list of kept positions is damaged");
  lock.Finish();
  layers_.push_back(std::move(layer));
  return kept;
}

std::shared_ptr<Context> Opening::Finish(const std::vector<float>& logits,
                                         const Xoshiro256& random) {
  const ModelDescription& d = model_->description;
  EngineLock lock(*model_->engine);
  if (static_cast<int>(layers_.size()) != d.layers)
    throw Error("KV_BUSY", std::to_string(layers_.size()) + " of " + std::to_string(d.layers) +
                               " layers have been read.");
  if (logits.size() != static_cast<size_t>(d.vocab))
    ByteReader::Refuse("its logits have another length than the model's vocabulary");
  const auto held = std::make_shared<Buffer>(model_->engine->device, sizeof(float) * d.vocab);
  model_->engine->Upload(held->data(), logits.data(), held->bytes());
  lock.Finish();
  auto context = std::make_shared<Context>(model_, std::move(layers_), held, ids_);
  context->random = random;
  const auto tokens = static_cast<int>(ids_.size());
  context->BeginGrowth(std::move(grant_), memory_.per_token, tokens + memory_.growth_tokens);
  grant_ = Grant(model_->memory);
  open_.reset();
  return context;
}

}  // namespace qpkv
