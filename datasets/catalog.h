// catalog.h - datasets by name: where they are looked for, and what was found.
//
// Nothing is downloaded here (`make mnist` does that), and a file that is found but broken is an
// error, never a reason to take another dataset. `auto` takes the first of mnist, fashion-mnist and
// generated digits that is there; Dataset::name and Dataset::sources say which one it was.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "stflow/datasets/dataset.h"

namespace stflow {

/// auto, mnist, fashion-mnist, digits: the names load_dataset knows.
const std::vector<std::string>& dataset_names();

/// Loads a dataset. `data_dir` is the user's --data folder, or empty. Throws std::invalid_argument
/// for an unknown name, std::runtime_error when data_dir is no folder, when the dataset is not
/// found (with every folder tried, and why one could not be searched) or when its files are bad.
Dataset load_dataset(const std::string& name, const std::string& data_dir, Split split);

/// The folders searched for a dataset, in order: data_dir/name, data_dir, $STFLOW_DATA/name,
/// $STFLOW_DATA, data/name, ${XDG_DATA_HOME:-~/.local/share}/stflow/name, /usr/share/datasets/name.
std::vector<std::filesystem::path> dataset_folders(const std::string& name,
                                                   const std::string& data_dir);

}  // namespace stflow
