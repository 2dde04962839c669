#include "drivers/pgwire/saslprep.h"

#include <gtest/gtest.h>

#include "drivers/pgwire/scram_verifier.h"

namespace howdah::pgwire {
namespace {

// SELECT rolpassword FROM pg_authid on PostgreSQL 15 after CREATE ROLE ... PASSWORD in UTF-8: characters that
// are mapped, that stay, that are prohibited, and passwords of which nothing is left.
const std::pair<Bytes, Bytes> kStored[] = {
    {"p\xc2\xa0ss",
     "SCRAM-SHA-256$4096:/+JebEpjCiDwMDTdkpk3hw==$H0zmuzZI25RWSJ0kHj475YJzmquebB3T3XvO+lEg5wI=:"
     "ZjMH/49tAHnayqPCGFcdUTHlb7uLRZBU6YA4iUGnCdk="},
    {"I\xc2\xadX",
     "SCRAM-SHA-256$4096:NkQT1+84a9Lj7iknnLnQfg==$nigu2ULF6pym+rNyaB+GGN/clD+MO+B/a+SBBhtfvg4=:"
     "c+WUdmPdmV6yjWCsod0gYGztadcZZMYu+h5o5kHOgLs="},
    {"p\xc3\xa4ss\xe2\x82\xac",
     "SCRAM-SHA-256$4096:VWR2zmPh+eQAvo2R0qy4cw==$ueNB1DCxC5LccZY9Us1ot7/dww1jpSoy1GfKebpYDyY=:"
     "R3Kpgte27cuUQqJ2lENkNzNLxnkN8vcIHa3CexaruHY="},
    {"\xe2\x80\x8bx\xef\xb8\x8f",
     "SCRAM-SHA-256$4096:wV7RI/EYPkRgMbBaouLE1Q==$Y6qBLE7WnUTvKyXMoGM9bkp3eSmJ/Y2lqQHW3H8OL4M=:"
     "JyUhriIUVvf8Fxg8ufxZ+DuS4t+u72/4+wUOGU4IQaU="},
    {"\xc2\xad",
     "SCRAM-SHA-256$4096:9rQMMrSobbTkIoc6exgVcQ==$B+edecoakRpTBlvXg+3fKkkUtzUJxwfxBX1hXXaAmjA=:"
     "zfMo4Tu41+NtnumLU+Imcg1mk9LQkJJsAx55aQArIbE="},
    {"a\xc2\xad\xee\x80\x80",
     "SCRAM-SHA-256$4096:eszH9s9PMty46XPdgWk7lQ==$Zbz8z0DazubVL1YpyfPhV8V8MsBH5hwwQ98w8EQ3UhQ=:"
     "EJ0x+LoQn8FsJPHNEMeQxVSJtJZajvHnSFuEiS4JhXQ="},
    {"x\xe3\x80\x80y\xe4\xb8\xad",
     "SCRAM-SHA-256$4096:zbHMLhmWfNoTaUyPnXn1HA==$jWL8jjXlIn5jYDFtP/aJrBznA0QGqecFmTmHxCWdpSU=:"
     "APwcCpjL/fBCxP6ZJ0CNx2mOz3yJ3L/erittZAnwWvE="},
    {"\xd0\xb4\xf0\x9f\x98\x80",
     "SCRAM-SHA-256$4096:lQ1P+xVJXFg8b9v2yL8h7w==$rWSDj7S9pNjYx2goEMjI+B1zfEUp8OJymqyky+Y7G3g=:"
     "xfRzBUEibn9MMRqMcaGn4wcn56DVm6au0aZqfjIRTTw="},
    {"a\xe2\x80\x8d"
     "b\xe2\x80\xaf"
     "c",
     "SCRAM-SHA-256$4096:8iuNx65F1TscFq1hi7annw==$wT+HDGX3nBNMB7E5kJgjcyOzMug/GcHoH807R7UpKtk=:"
     "Ikc7snDXDfsXxlP1DJvFxWvEmGgtNSDoRWQ0uxP/CNs="},
    {"a\xe2\x81\xa0\xc2\xad"
     "b",
     "SCRAM-SHA-256$4096:kKDMA4lNG7tiS4WV5pfp7w==$dzpIttGSf1+TrwXknurz1mID7uAWGkW8Pit7dnjn64I=:"
     "mfcTdZ8iQPB4YQsP/+ioDb8ZUgcatzpw0zxwxi7WOfU="},
    {"\xc2\xa0\xc2\xa0",
     "SCRAM-SHA-256$4096:j+dYmgTuxeKFc/U+md2Kow==$FY8TLFA1jixPtydO299NL3otkCqQh6yN6PnwGo8tNhE=:"
     "GHVUDI0HoByVawrFoMDQp4wbhM+d2dAbMi9G468gWzw="},
};

TEST(Saslprep, GivesTheKeysThatPostgresqlStores) {
  for (const auto& [password, stored] : kStored) {
    const auto verifier = ScramVerifier::parse(stored);
    ASSERT_TRUE(verifier) << stored;
    EXPECT_TRUE(verifier->matches(password)) << password;
  }
}

TEST(Saslprep, MapsSpacesAndDropsWhatDoesNotShow) {
  const std::pair<Bytes, Bytes> cases[] = {
      {"", ""},
      {"plain\x01\x7f", "plain\x01\x7f"},  // ASCII is not looked at
      {"a\xc2\xa0z", "a z"},
      {"a\xe3\x80\x80z", "a z"},
      {"a\xc2\xadz", "az"},
      {"\xc3\xa4", "\xc3\xa4"},
      {"\xf0\x9f\x98\x80\xc2\xa0", "\xf0\x9f\x98\x80 "},
      {"\xc2\xad", "\xc2\xad"},            // nothing left
      {"a\xc2\xa0\x01", "a\xc2\xa0\x01"},  // prohibited
  };
  for (const auto& [password, expected] : cases) EXPECT_EQ(saslprep(password), expected) << password;
}

TEST(Saslprep, LeavesWhatIsNotUtf8AsItIs) {
  for (const Bytes password : {"a\xc2\xa0\xff", "\xc2\xa0\xc2", "\xc2\xa0\xc0\x80", "\xc2\xa0\xe0\x80\x80",
                               "\xc2\xa0\xed\xa0\x80", "\xc2\xa0\xf0\x80\x80\x80", "\xc2\xa0\xf4\x90\x80\x80",
                               "\xc2\xa0\xe2\x82", "\xc2\xa0\xc3z", "\xc2\xa0\x80"}) {
    EXPECT_EQ(saslprep(password), password);
    EXPECT_TRUE(saslprep_is_exact(password));
  }
}

TEST(Saslprep, SaysWhenItIsNotSureToAgreeWithPostgresql) {
  EXPECT_TRUE(saslprep_is_exact(""));
  EXPECT_TRUE(saslprep_is_exact("secret"));
  EXPECT_TRUE(saslprep_is_exact("p\xc3\xa4ss\xe2\x82\xac"));
  EXPECT_FALSE(saslprep_is_exact("a\xcc\x88")) << "a and a combining diaeresis";
  EXPECT_FALSE(saslprep_is_exact("\xef\xac\x81")) << "the ligature fi";
  EXPECT_FALSE(saslprep_is_exact("\xc2\xaa")) << "the feminine ordinal";
  EXPECT_FALSE(saslprep_is_exact("\xd7\x90")) << "a right-to-left letter";
}

}  // namespace
}  // namespace howdah::pgwire
