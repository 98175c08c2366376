// See step_layout.h.
#include "engine/step_layout.h"

#include <algorithm>

#include "base/check.h"

namespace qpkv {

StepLayout::StepLayout(const std::vector<Work>& work) {
  for (const Work& w : work) {
    StepItem item;
    item.work = &w;
    item.own_hidden = w.rows > 0 && w.sequence->HiddenAt(w.first) != nullptr;
    items.push_back(item);
  }
  for (bool own : {false, true})
    for (StepItem& item : items) {
      if (item.own_hidden != own) continue;
      item.row = rows;
      rows += item.work->rows;
      if (!own) carried += item.work->rows;
      if (own && item.work->to > item.work->from) {
        QPKV_CHECK(item.work->to == item.work->from + 1);
        QPKV_CHECK(prompt_layer < 0 || prompt_layer == item.work->from);
        prompt_layer = item.work->from;
      }
      item.logits_rows = item.work->all_logits != nullptr ? item.work->rows
                         : item.work->last_logits != nullptr && item.work->rows > 0 ? 1
                                                                                    : 0;
      item.logits_row = logits_rows;
      logits_rows += item.logits_rows;
    }
}

bool StepLayout::StartsAtEmbedding() const {
  return std::any_of(items.begin(), items.end(), [](const StepItem& item) { return item.At(0); });
}

std::vector<const StepItem*> StepLayout::InRowOrder() const {
  std::vector<const StepItem*> order;
  for (bool own : {false, true})
    for (const StepItem& item : items)
      if (item.own_hidden == own) order.push_back(&item);
  return order;
}

std::vector<LayerRows> StepLayout::Parts(const ModelDescription& d, int layer, const QkvRows& qkv,
                                         float* attention) const {
  std::vector<LayerRows> parts;
  for (const StepItem& item : items) {
    const size_t row = static_cast<size_t>(item.row);
    QkvRows own = qkv;
    own.q += row * qkv.stride, own.k += row * qkv.stride, own.v += row * qkv.stride;
    own.input += row * d.hidden;
    parts.push_back({layer, item.work->first, item.work->rows, own,
                     attention + row * d.query_heads * d.head_dim});
  }
  return parts;
}

}  // namespace qpkv
