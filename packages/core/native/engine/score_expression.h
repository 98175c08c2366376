// Score expressions of all plans of a layer, as one graph: equal subexpressions are one node and
// are computed once.
#pragma once
#include <vector>

#include "engine/measurements.h"
#include "engine/score_node.h"

namespace qpkv {

// What an expression means for one plan.
struct ScoreScope {
  int stored_heads = 0;
  int protect_last = 0;  // these tokens at the end take no part in what looks along the tokens
  int user_end = 0;      // in tokens; 0: the end of the prompt
};

class ScoreGraph {
 public:
  ScoreGraph(std::shared_ptr<Engine> engine, int tokens, Measurements* measurements)
      : engine_(std::move(engine)), tokens_(tokens), measurements_(measurements) {}

  // Registers the statistics of an expression that yields one row per stored head; throws KV_METHOD
  // for one that does not. Returns its node.
  int Want(const ScoreNode& score, const ScoreScope& scope);
  size_t bytes() const;  // of what operations yield
  // [stored heads, tokens] on the device, after the layer's queries have passed.
  const float* Evaluate(int node);

 private:
  struct Node {
    int measurement = -1;  // a leaf; else an operation on `of`
    ScoreOp op = ScoreOp::kGroup;
    std::vector<int> of;
    std::array<double, kMaxOptions> options{};
    int rows = 0, scored = 0;
    Buffer value;  // empty until it is asked for

    bool Same(const Node& other) const;
  };
  int Add(const ScoreNode& score, const ScoreScope& scope);
  int AddStatistic(const ScoreNode& score, const ScoreScope& scope);
  int Insert(Node node);
  int Operate(ScoreOp op, std::vector<int> of, const std::array<double, kMaxOptions>& options,
              int rows, int scored);

  std::shared_ptr<Engine> engine_;
  int tokens_;
  Measurements* measurements_;
  std::vector<Node> nodes_;
};

}  // namespace qpkv
