#include "stflow/autodiff/graph_print.h"

#include <map>
#include <sstream>

#include "stflow/autodiff/grad.h"

namespace stflow {
namespace {

bool is_stochastic(const Var& var) { return var.op().find('[') != std::string::npos; }

// Labels are the user's own: one line of text, which no quote ends.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = '?';
  }
  return text;
}
std::string in_dot_quotes(const std::string& text) {
  std::string result;
  for (const char c : one_line(text)) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

// Nodes behind the outputs, oldest first, numbered from 1.
std::map<uint64_t, std::pair<int, Var>> numbered_nodes(const Vars& outputs, const char* asking) {
  std::map<uint64_t, std::pair<int, Var>> nodes;
  Vars pending(outputs);
  while (!pending.empty()) {
    const Var var = pending.back();
    var.value(asking);
    pending.pop_back();
    if (!nodes.emplace(var.id(), std::pair(0, var)).second) continue;
    pending.insert(pending.end(), var.inputs().begin(), var.inputs().end());
  }
  int number = 0;
  for (auto& [id, entry] : nodes) entry.first = ++number;
  return nodes;
}

}  // namespace

std::string to_text(const Vars& outputs) {
  const auto nodes = numbered_nodes(outputs, "to_text");
  std::ostringstream text;
  for (const auto& [id, entry] : nodes) {
    const auto& [number, var] = entry;
    text << '#' << number << ' ' << one_line(var.op()) << (is_stochastic(var) ? "* " : " ")
         << var.shape();
    for (size_t i = 0; i < var.inputs().size(); ++i) {
      text << (i == 0 ? " <- #" : " #") << nodes.at(var.inputs()[i].id()).first;
    }
    text << '\n';
  }
  return text.str();
}

std::string to_dot(const Vars& outputs, const DotOptions& options) {
  const auto nodes = numbered_nodes(outputs, "to_dot");
  std::map<uint64_t, Var> gradients;
  if (options.gradients) {
    Vars wrt;
    for (const auto& [id, entry] : nodes) {
      if (entry.second.requires_grad()) wrt.push_back(entry.second);
    }
    const Vars found = grad(outputs, wrt);
    for (size_t i = 0; i < wrt.size(); ++i) gradients[wrt[i].id()] = found[i];
  }
  std::ostringstream dot;
  dot << "digraph stflow {\n  rankdir=TB;\n  node [shape=box, style=filled, fillcolor=white, "
         "fontname=\"Helvetica\"];\n";
  for (const auto& [id, entry] : nodes) {
    const auto& [number, var] = entry;
    const char* look = is_stochastic(var)        ? ", shape=diamond, fillcolor=gold"
                       : var.op() == "parameter" ? ", fillcolor=lightblue"
                       : var.op() == "constant"  ? ", fillcolor=lightgrey"
                                                 : "";
    dot << "  n" << number << " [label=\"" << in_dot_quotes(var.op()) << "\\n"
        << (options.values ? var.value().str() : var.shape().str());
    if (const auto found = gradients.find(id); found != gradients.end())
      dot << "\\ngradient " << found->second.value().str();
    dot << "\"" << look << "];\n";
    for (const Var& input : var.inputs()) {
      dot << "  n" << nodes.at(input.id()).first << " -> n" << number << ";\n";
    }
  }
  dot << "}\n";
  return dot.str();
}

}  // namespace stflow
