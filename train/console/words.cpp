#include "stflow/train/console/words.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace stflow {

std::string printable(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string shown;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    const bool wide = c == 0xc2 && next >= 0x80 && next < 0xa0;  // U+0080 to U+009F in UTF-8
    if (!wide && c != 0x7f && (c >= 0x20 || c == '\n')) {
      shown += text[i];
      continue;
    }
    const unsigned char code = wide ? next : c;
    shown += {'\\', 'x', kDigits[code / 16], kDigits[code % 16]};
    i += wide;
  }
  return shown;
}

std::string shell_quoted(const std::string& word) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) ||
           std::string_view("-_./=,:+@").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace stflow
