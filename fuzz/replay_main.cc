// Feeds every file of a folder to a fuzz target: the committed corpus as an ordinary test. Fails when there is none. With
// a number of seconds, goes on with random changes to those files for so long, and says how to see a failure again.
//   replay_TARGET FOLDER [SECONDS [SEED]]
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<char>;
using Random = std::mt19937_64;

// An exactly sized heap block, so that ASan sees a read of one byte too many.
void run(Input input) {
  input.shrink_to_fit();
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

Input read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::size_t below(Random& random, std::size_t limit) { return limit == 0 ? 0 : random() % limit; }

// One of: a byte or bit changed, a stretch removed, doubled, overwritten from another input, or the end cut off.
void change(Random& random, Input& input, const Input& other) {
  if (input.empty()) return input.push_back(static_cast<char>(random()));
  const auto at = static_cast<std::ptrdiff_t>(below(random, input.size()));
  const auto length = static_cast<std::ptrdiff_t>(1 + below(random, std::min<std::size_t>(input.size() - static_cast<std::size_t>(at), 32)));
  const auto begin = input.begin() + at;
  switch (random() % 6) {
    case 0:
      *begin = static_cast<char>(random());
      break;
    case 1:
      *begin = static_cast<char>(*begin ^ (1 << random() % 8));
      break;
    case 2:
      input.erase(begin, begin + length);
      break;
    case 3: {
      const Input piece(begin, begin + length);
      input.insert(input.begin() + static_cast<std::ptrdiff_t>(below(random, input.size())), piece.begin(), piece.end());
      break;
    }
    case 4: {
      const std::size_t from = below(random, other.size());
      const std::size_t count = std::min(other.size() - from, static_cast<std::size_t>(length) * 4);
      const Input piece(other.begin() + static_cast<std::ptrdiff_t>(from), other.begin() + static_cast<std::ptrdiff_t>(from + count));
      input.insert(begin, piece.begin(), piece.end());
      break;
    }
    default:
      input.resize(static_cast<std::size_t>(at));
      break;
  }
}

long mutate(const std::vector<Input>& corpus, std::chrono::seconds limit, std::uint64_t seed) {
  const auto end = std::chrono::steady_clock::now() + limit;
  long rounds = 0;
  for (; std::chrono::steady_clock::now() < end; ++rounds) {
    // Each round has a seed of its own: a failure is seen again without the rounds before.
    Random random(seed + static_cast<std::uint64_t>(rounds));
    Input input = corpus[below(random, corpus.size())];
    for (std::size_t i = 1 + below(random, 8); i > 0; --i) change(random, input, corpus[below(random, corpus.size())]);
    if (input.size() > 64 * 1024) input.resize(64 * 1024);
    if (rounds % 4096 == 0) {
      std::printf("seed %llu\n", static_cast<unsigned long long>(seed + static_cast<std::uint64_t>(rounds)));
      std::fflush(stdout);
    }
    run(std::move(input));
  }
  return rounds;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) return std::fprintf(stderr, "usage: %s FOLDER [SECONDS [SEED]]\n", argv[0]), 2;
  std::error_code error;
  std::vector<Input> corpus;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error)) {
    corpus.push_back(read_file(entry.path()));
    std::printf("%s (%zu bytes)\n", entry.path().c_str(), corpus.back().size());
    std::fflush(stdout);  // so that the culprit's name is there when the next line does not come
    run(corpus.back());
  }
  if (error || corpus.empty()) return std::fprintf(stderr, "%s: no corpus there\n", argv[1]), 1;
  if (argc == 2) return 0;
  const std::uint64_t seed = argc == 4 ? std::strtoull(argv[3], nullptr, 10) : std::random_device()();
  const long rounds = mutate(corpus, std::chrono::seconds(std::atoi(argv[2])), seed);
  std::printf("%ld changed inputs, from seed %llu\n", rounds, static_cast<unsigned long long>(seed));
  return rounds > 0 ? 0 : 1;
}
