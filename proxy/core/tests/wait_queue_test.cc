#include "proxy/core/wait_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace howdah::proxy {
namespace {

class Client final : public PoolWaiter {
 public:
  explicit Client(std::uint64_t address, bool sheddable = true) : sheddable_(sheddable) { sender = address; }
  void on_pool(ServerConn*, const Error*) override {}
  bool may_be_shed() const override { return sheddable_; }

 private:
  bool sheddable_;
};

class WaitQueueTest : public ::testing::Test {
 protected:
  WaitQueueTest() { queue_.count_senders(true); }
  Client& client(std::uint64_t address, bool sheddable = true) { return *clients_.emplace_back(std::make_unique<Client>(address, sheddable)); }
  // The addresses in the order in which they are served.
  std::vector<std::uint64_t> served(std::size_t count) {
    std::vector<std::uint64_t> addresses;
    while (addresses.size() < count) addresses.push_back(queue_.pop_front()->sender);
    return addresses;
  }
  WaitQueue queue_;
  std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(WaitQueueTest, ServesAsTheyCame) {
  for (std::uint64_t address : {1, 1, 2, 1, 3}) queue_.push_back(client(address));
  EXPECT_EQ(served(5), (std::vector<std::uint64_t>{1, 1, 2, 1, 3}));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(WaitQueueTest, AddressesTakeTurns) {
  for (std::uint64_t address : {1, 1, 1, 1, 2, 2, 3}) queue_.push_in_turn(client(address));
  EXPECT_EQ(served(4), (std::vector<std::uint64_t>{1, 2, 3, 1}));
  // Who comes again is not before those who waited while it was served.
  queue_.push_in_turn(client(3));
  EXPECT_EQ(served(4), (std::vector<std::uint64_t>{2, 1, 3, 1}));
}

TEST_F(WaitQueueTest, ClientsOfOneAddressKeepTheirOrder) {
  std::vector<PoolWaiter*> came;
  for (int i = 0; i < 20; ++i) {
    PoolWaiter& one = client(i % 5 == 0 ? 2 : 1);
    i < 10 ? queue_.push_back(one) : queue_.push_in_turn(one);
    if (one.sender == 1) came.push_back(&one);
  }
  std::vector<PoolWaiter*> went;
  while (!queue_.empty()) {
    PoolWaiter* one = queue_.pop_front();
    if (one->sender == 1) went.push_back(one);
  }
  EXPECT_EQ(went, came);
}

TEST_F(WaitQueueTest, ANewAddressDoesNotWaitForALongLineOfAnother) {
  for (int i = 0; i < 10; ++i) queue_.push_back(client(1));
  for (int i = 0; i < 100; ++i) queue_.push_in_turn(client(1));
  queue_.push_in_turn(client(2));
  const auto order = served(12);
  EXPECT_EQ(std::count(order.begin(), order.end(), 2u), 1) << "behind those who stood there before turns were taken, and one more";
}

TEST_F(WaitQueueTest, RefusesTheAddressWithMostOfThoseWhoWait) {
  for (int i = 0; i < 5; ++i) queue_.push_back(client(1));
  queue_.push_back(client(2));
  Client& few = client(2);
  EXPECT_EQ(queue_.whom_to_refuse(few).sender, 1u);
  Client& many = client(1);
  EXPECT_EQ(&queue_.whom_to_refuse(many), &many) << "who came last";
  clients_[2]->lately = 9;
  EXPECT_EQ(&queue_.whom_to_refuse(many), clients_[2].get()) << "who asked most often";
  EXPECT_EQ(&queue_.whom_to_refuse(few), clients_[2].get());
}

TEST_F(WaitQueueTest, NeverRefusesWhoHoldsSomething) {
  for (int i = 0; i < 5; ++i) queue_.push_back(client(1, false));
  Client& newcomer = client(2);
  EXPECT_EQ(&queue_.whom_to_refuse(newcomer), &newcomer);
}

TEST_F(WaitQueueTest, RefusesOfThoseWhoMayBeRefused) {
  for (int i = 0; i < 5; ++i) queue_.push_back(client(1, false));
  for (int i = 0; i < 3; ++i) queue_.push_back(client(2));
  EXPECT_EQ(queue_.whom_to_refuse(client(3)).sender, 2u);
}

TEST_F(WaitQueueTest, CountsWhoIsThere) {
  for (int i = 0; i < 3; ++i) queue_.push_back(client(1));
  queue_.push_back(client(2));
  queue_.push_back(client(2));
  queue_.erase(*clients_[0]);
  queue_.erase(*clients_[1]);
  queue_.erase(*clients_[1]);  // is not there any more
  EXPECT_EQ(queue_.whom_to_refuse(client(3)).sender, 2u);
  EXPECT_EQ(queue_.take_all().size(), 3u);
  Client& alone = client(3);
  EXPECT_EQ(&queue_.whom_to_refuse(alone), &alone);
  // Counted from when it is asked for, with those who wait already.
  queue_.count_senders(false);
  queue_.push_back(client(4));
  queue_.push_back(client(4));
  queue_.count_senders(true);
  EXPECT_EQ(queue_.whom_to_refuse(alone).sender, 4u);
}

}  // namespace
}  // namespace howdah::proxy
