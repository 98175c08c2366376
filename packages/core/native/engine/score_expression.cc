// See score_expression.h.
#include "engine/score_expression.h"

#include <algorithm>
#include <cstring>

namespace qpkv {
namespace {

// Whether an operation looks along the tokens, so that the scored ones matter.
bool LooksAlong(ScoreOp op) {
  switch (op) {
    case ScoreOp::kGroup:
    case ScoreOp::kAdd:
    case ScoreOp::kMultiply:
    case ScoreOp::kPower:
    case ScoreOp::kScale:
      return false;
    default:
      return true;
  }
}

}  // namespace

bool ScoreGraph::Node::Same(const Node& other) const {
  return measurement == other.measurement && op == other.op && of == other.of &&
         rows == other.rows && scored == other.scored &&
         std::memcmp(options.data(), other.options.data(), sizeof options) == 0;
}

int ScoreGraph::Insert(Node node) {
  for (size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].Same(node)) return static_cast<int>(i);
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

int ScoreGraph::Operate(ScoreOp op, std::vector<int> of,
                        const std::array<double, kMaxOptions>& options, int rows, int scored) {
  Node node;
  node.op = op;
  node.of = std::move(of);
  node.options = options;
  node.rows = rows;
  node.scored = LooksAlong(op) ? scored : tokens_;
  return Insert(std::move(node));
}

int ScoreGraph::AddStatistic(const ScoreNode& score, const ScoreScope& scope) {
  const Measurements::Wanted wanted = measurements_->Want(*score.statistic, score.options.data(),
                                                          scope.protect_last, scope.user_end);
  Node leaf;
  leaf.measurement = wanted.index;
  leaf.rows = measurements_->rows(wanted.index);
  leaf.scored = tokens_;
  const int rows = leaf.rows;
  int node = Insert(std::move(leaf));
  if (wanted.factor != 1) {
    std::array<double, kMaxOptions> options{};
    options[score_ops::scale::kFactor] = wanted.factor;
    node = Operate(ScoreOp::kScale, {node}, options, rows, tokens_);
  }
  // KV heads that are stored once per query head have a row for each.
  if (score.statistic->about->rows == Rows::kKv && rows != scope.stored_heads)
    node = Operate(ScoreOp::kGroup, {node}, {}, scope.stored_heads, tokens_);
  return node;
}

int ScoreGraph::Add(const ScoreNode& score, const ScoreScope& scope) {
  if (score.statistic != nullptr) return AddStatistic(score, scope);
  std::vector<int> of;
  for (const auto& part : score.of) of.push_back(Add(*part, scope));
  const int rows = nodes_[of.front()].rows;
  for (int part : of)
    if (nodes_[part].rows != rows)
      throw Error("KV_METHOD", std::string("The operation '") +
                                   kScoreOperations[static_cast<size_t>(score.op)].name +
                                   "' mixes rows per query head with rows per stored head; group "
                                   "those per query head.");
  const bool group = score.op == ScoreOp::kGroup;
  const bool layer = group && score.options[score_ops::group::kOver] ==
                                  static_cast<double>(score_ops::group::Over::kLayer);
  if (group && !layer && rows == scope.stored_heads) return of.front();  // nothing to join
  return Operate(score.op, std::move(of), score.options, group ? scope.stored_heads : rows,
                 std::max(0, tokens_ - scope.protect_last));
}

int ScoreGraph::Want(const ScoreNode& score, const ScoreScope& scope) {
  const int node = Add(score, scope);
  if (nodes_[node].rows != scope.stored_heads)
    throw Error("KV_METHOD",
                "A score yields one row per query head; group it, so that it has one per stored "
                "head.");
  return node;
}

size_t ScoreGraph::bytes() const {
  size_t all = 0;
  for (const Node& node : nodes_)
    if (node.measurement < 0)
      all += sizeof(float) * static_cast<size_t>(node.rows) * static_cast<size_t>(tokens_);
  return all;
}

const float* ScoreGraph::Evaluate(int index) {
  Node& node = nodes_[index];
  if (node.measurement >= 0) return measurements_->result(node.measurement);
  if (node.value.data() != nullptr) return node.value.floats();
  ScoreOperationArgs args{};
  for (int part : node.of) args.of[args.count++] = Evaluate(part);
  args.op = node.op;
  args.rows = nodes_[node.of.front()].rows;
  args.out_rows = node.rows;
  args.tokens = tokens_;
  args.scored = node.scored;
  std::copy(node.options.begin(), node.options.end(), args.options);
  Buffer value(engine_->device,
               sizeof(float) * static_cast<size_t>(node.rows) * static_cast<size_t>(tokens_));
  args.out = value.floats();
  engine_->ops.ScoreOperation(engine_->stream, args);
  node.value = std::move(value);
  return node.value.floats();
}

}  // namespace qpkv
