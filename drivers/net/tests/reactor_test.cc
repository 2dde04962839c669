#include "drivers/net/reactor.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "drivers/net/buffer.h"

namespace howdah::net {
namespace {

struct Call final : TimerHandler, Runnable, IoHandler {
  std::function<void()> call;
  explicit Call(std::function<void()> c) : call(std::move(c)) {}
  void on_timer() override { call(); }
  void run() override { call(); }
  void on_io(std::uint32_t) override { call(); }
};

TEST(Reactor, FiresTimersInOrderOfTime) {
  Reactor reactor;
  std::mt19937 random(7);
  std::vector<int> delays(200), fired;
  for (int& delay : delays) delay = static_cast<int>(random() % 50);
  std::vector<std::unique_ptr<Call>> handlers;
  std::vector<std::unique_ptr<Timer>> timers;
  const auto start = reactor.now();
  for (const int delay : delays) {
    handlers.push_back(std::make_unique<Call>([&fired, &reactor, delay, &delays] {
      fired.push_back(delay);
      if (fired.size() == delays.size() / 2) reactor.stop();
    }));
    timers.push_back(std::make_unique<Timer>(*handlers.back()));
    timers.back()->arm(reactor, start + std::chrono::milliseconds(delay));
  }
  // Every second one is called off: it must not fire.
  std::vector<int> expected;
  for (std::size_t i = 0; i < delays.size(); ++i) {
    if (i % 2 == 0) {
      timers[i]->cancel();
    } else {
      expected.push_back(delays[i]);
    }
  }
  reactor.run();
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(fired, expected);
}

TEST(Reactor, RunsQueuedWorkAfterTheHandlerAndOnce) {
  Reactor reactor;
  std::string order;
  Call second([&] { order += "2"; });
  Call first([&] {
    order += "1";
    reactor.enqueue(second);
    reactor.enqueue(second);
    order += "-";
  });
  Call dropped([&] { order += "!"; });
  reactor.enqueue(dropped);
  reactor.dequeue(dropped);
  reactor.enqueue(first);
  reactor.post([&] { reactor.stop(); });
  reactor.run();
  EXPECT_EQ(order, "1-2");
}

TEST(Reactor, TakesCallsFromOtherThreads) {
  Reactor reactor;
  int calls = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        reactor.post([&] {
          if (++calls == 4000) reactor.stop();
        });
      }
    });
  }
  reactor.run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(calls, 4000);
}

TEST(Reactor, DropsEventsOfAHandlerRemovedInTheSameBatch) {
  Reactor reactor;
  int a[2], b[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
  int calls = 0;
  std::unique_ptr<Call> one, two;
  // Whichever comes first removes the other.
  one = std::make_unique<Call>([&] { ++calls; reactor.remove(b[0], *two); reactor.remove(a[0], *one); reactor.stop(); });
  two = std::make_unique<Call>([&] { ++calls; reactor.remove(a[0], *one); reactor.remove(b[0], *two); reactor.stop(); });
  ASSERT_EQ(write(a[1], "x", 1), 1);
  ASSERT_EQ(write(b[1], "x", 1), 1);
  ASSERT_TRUE(reactor.add_level_triggered(a[0], *one, EPOLLIN));
  ASSERT_TRUE(reactor.add_level_triggered(b[0], *two, EPOLLIN));
  reactor.run();
  EXPECT_EQ(calls, 1);
  for (const int fd : {a[0], a[1], b[0], b[1]}) close(fd);
}

TEST(Buffer, IsAQueueOfBytesWhateverTheSteps) {
  std::mt19937 random(11);
  Buffer buffer;
  std::string model;
  for (int step = 0; step < 3000; ++step) {
    if (random() % 2 == 0) {
      const std::string more(random() % 20'000, static_cast<char>('a' + random() % 26));
      buffer.append(more);
      model += more;
    } else {
      const std::size_t some = model.empty() ? 0 : random() % (model.size() + 1);
      buffer.consume(some);
      model.erase(0, some);
    }
    ASSERT_EQ(buffer.size(), model.size());
    ASSERT_TRUE(buffer.view() == model) << step;
  }
  buffer.release();
  EXPECT_FALSE(buffer.holds_memory());
}

}  // namespace
}  // namespace howdah::net
