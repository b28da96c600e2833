// safetensors.cpp - the format of safetensors.h.
//
// A file may come from anywhere, so reading trusts nothing: the tensors have to tile the data
// exactly, in some order, without a gap or an overlap, as the format demands.
#include "stflow/nn/safetensors.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "stflow/nn/binary_file.h"
#include "stflow/nn/json_reader.h"
#include "stflow/tensor/text.h"

namespace stflow::nn {
namespace {

using nlohmann::json;

constexpr const char* kMetadata = "__metadata__";
constexpr const char* kRealType = sizeof(real) == 4 ? "F32" : "F64";
constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
/// Header, tensor, list; a tensor is eight values or so. Without the second limit a header of 60 MB
/// took 1.7 GB.
constexpr JsonLimits kLimits{.depth = 3, .values = 1'000'000, .members = 1'000'000};

/// JSON for a message, cut short when it is long.
std::string show(const json& value) {
  const std::string text = value.dump();
  return text.size() <= 80 ? text : text.substr(0, 80) + "...";
}

std::string dump(const json& header) {
  try {
    return header.dump();
  } catch (const json::exception&) {
    throw std::invalid_argument("[save_safetensors] a name or a metadata text is not UTF-8");
  }
}

/// The JSON text between the length and the data.
std::string_view header_of(std::string_view bytes, const std::string& path) {
  if (bytes.size() < kLengthBytes) {
    bad_file(path, "not a safetensors file: expected at least ", kLengthBytes, " bytes, found ",
             bytes.size());
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  const uint64_t rest = bytes.size() - kLengthBytes;
  if (length > std::min(rest, kMaxHeader)) {
    bad_file(path, "not a safetensors file, or truncated: says its header has ", length, " bytes, ",
             length > rest ? concat_message("but only ", rest, " follow")
                           : concat_message("the limit is ", kMaxHeader));
  }
  return bytes.substr(kLengthBytes, length);
}

/// What the header says about one tensor.
struct Entry {
  std::string name;
  Shape shape;
  size_t bytes_per_number;
  int64_t begin, end;
};

/// A list of whole numbers that are not negative, at most `limit` of them.
std::vector<int64_t> numbers(const json& entry, const char* key, size_t limit) {
  const json& list = entry.at(key);
  const auto is_count = [](const json& item) {
    return item.is_number_unsigned() && item.get<uint64_t>() <= uint64_t{INT64_MAX};
  };
  if (!list.is_array() || list.size() > limit || !std::ranges::all_of(list, is_count)) {
    throw std::runtime_error(concat_message(key, " must be a list of at most ", limit,
                                            " numbers, not negative, found ", show(list)));
  }
  return list.get<std::vector<int64_t>>();
}

Entry read_entry(const std::string& name, const json& entry, int64_t data_size) {
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!entry.is_object() || entry.size() != 3 || !entry.contains(key)) {
      throw std::runtime_error("expected an object of dtype, shape and data_offsets, found " +
                               show(entry));
    }
  }
  const json& dtype = entry["dtype"];
  if (dtype != "F32" && dtype != "F64") {
    throw std::runtime_error("expected dtype F32 or F64, found " + show(dtype));
  }
  const size_t bytes_per_number = dtype == "F32" ? 4 : 8;
  const std::vector<int64_t> shape = numbers(entry, "shape", Shape::kMaxRank);
  const std::vector<int64_t> offsets = numbers(entry, "data_offsets", 2);
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size) {
    throw std::runtime_error(concat_message("expected data_offsets [begin,end] within ", data_size,
                                            " bytes of data, found ", show(entry["data_offsets"])));
  }
  const int64_t size = byte_size(shape, bytes_per_number);
  if (size != offsets[1] - offsets[0]) {
    throw std::runtime_error(concat_message("shape ", Shape(shape), " of ", show(dtype), " needs ",
                                            size < 0 ? "too many" : std::to_string(size),
                                            " bytes, data_offsets give ", offsets[1] - offsets[0]));
  }
  return {name, Shape(shape), bytes_per_number, offsets[0], offsets[1]};
}

Metadata read_metadata(const json& entry) {
  const auto is_text = [](const json& item) { return item.is_string(); };
  if (!entry.is_object() || !std::ranges::all_of(entry, is_text)) {
    throw std::runtime_error("expected an object of texts, found " + show(entry));
  }
  return entry.get<Metadata>();
}

/// Throws unless the tensors cover the data from its first byte to its last, each byte once.
void check_tiling(std::vector<Entry>& entries, int64_t data_size, const std::string& path) {
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.begin, e.end); });
  int64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      bad_file(path, "tensor '", entry.name, "': data begins at byte ", entry.begin, ", expected ",
               covered,
               entry.begin < covered ? " (it overlaps another)" : " (there is a hole before it)");
    }
    covered = entry.end;
  }
  if (covered != data_size) {
    bad_file(path, "the header describes ", covered, " bytes of data, the file has ", data_size);
  }
}

}  // namespace

void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const Metadata& metadata, Links links) {
  json header = json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  std::vector<std::string_view> parts(2);  // length and header, known last
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    CHECK_ARG(name != kMetadata, "[save_safetensors] a tensor cannot be named ", kMetadata);
    CHECK_ARG(tensor.defined(), "[save_safetensors] tensor '", name, "' is undefined");
    parts.push_back(bytes_of(tensor));
    const size_t end = offset + parts.back().size();
    header[name] = {{"dtype", kRealType},
                    {"shape", std::vector<int64_t>(tensor.shape().begin(), tensor.shape().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = dump(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the numbers are aligned
  if (text.size() > kMaxHeader)
    bad_file(path, "names and metadata take more than ", kMaxHeader, " bytes");
  const uint64_t length = text.size();
  parts[0] = {reinterpret_cast<const char*>(&length), kLengthBytes};
  parts[1] = text;
  write_file(path, parts, links);
}

SafetensorsFile load_safetensors(const std::string& path) {
  const std::string bytes = read_file(path);
  const std::string_view text = header_of(bytes, path);
  const std::string_view data = std::string_view(bytes).substr(kLengthBytes + text.size());
  const json header = read_json<json>(text, kLimits, path + ", header");
  if (!text.starts_with('{'))
    bad_file(path, "not a safetensors file: the header is not a JSON object");

  SafetensorsFile file;
  std::vector<Entry> entries;
  for (const auto& [name, entry] : header.items()) {
    try {
      if (name == kMetadata) {
        file.metadata = read_metadata(entry);
      } else {
        entries.push_back(read_entry(name, entry, static_cast<int64_t>(data.size())));
      }
    } catch (const std::runtime_error& error) {
      bad_file(path, "entry '", name, "': ", error.what());
    }
  }
  check_tiling(entries, static_cast<int64_t>(data.size()), path);
  for (const Entry& e : entries) {
    const std::string_view numbers_of =
        data.substr(static_cast<size_t>(e.begin), static_cast<size_t>(e.end - e.begin));
    file.tensors[e.name] = tensor_from_bytes(numbers_of, e.shape, e.bytes_per_number);
  }
  return file;
}

}  // namespace stflow::nn
