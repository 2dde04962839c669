// The keys about who may log in: access rules, the unix socket, look-ups of users.
#include "proxy/config/sections.h"

namespace howdah::config {
namespace {

constexpr auto kReload = Effect::kReload;
constexpr auto kRestart = Effect::kRestart;

// Permission bits as people write them: octal digits.
Field<UnixSocket> mode_field() {
  return {"mode",
          "octal number",
          "0000 to 0777",
          kRestart,
          "Permissions of the socket: who may write may connect.",
          [](UnixSocket& out, Reader& reader, const Entry& entry) {
            const auto text = reader.take_text(entry);
            if (!text) return;
            const bool octal = !text->empty() && text->size() <= 4 && text->find_first_not_of("01234567") == std::string::npos;
            const unsigned long mode = octal ? std::stoul(*text, nullptr, 8) : 01000;
            if (mode > 0777) {
              reader.fault(entry.line, entry.path + ": " + quoted(*text) + " is not an octal number up to 0777");
            } else {
              out.mode = static_cast<std::uint32_t>(mode);
            }
          },
          [](const UnixSocket& from) {
            std::string digits = "0000";
            for (int i = 0; i < 4; ++i) digits[static_cast<std::size_t>(3 - i)] = static_cast<char>('0' + ((from.mode >> (3 * i)) & 7));
            return digits;
          }};
}

}  // namespace

const Section<UnixSocket>& unix_socket_section() {
  static const Section<UnixSocket> section{
      text_field("directory", &UnixSocket::directory, kRestart,
                 "An absolute path; the socket is `.s.PGSQL.PORT` in it, with PostgreSQL's lock file next to it.")
          .must(),
      mode_field(),
      text_field("group", &UnixSocket::group, kRestart, "The socket's group; without it, the process's own.")};
  return section;
}

const Section<Hba>& hba_section() {
  static const Section<Hba> section{
      text_field("file", &Hba::file, kReload,
                 "Access rules in pg_hba.conf's format: the first that fits counts. Without a file, every known user may "
                 "connect with a password (SCRAM, or md5 where only an md5 hash is stored)."),
      text_field("ident_file", &Hba::ident_file, kReload,
                 "Maps of user names in pg_ident.conf's format, for `map=` in the rules."),
      secret_field("mock_secret", &Hba::mock_secret, kReload,
                   "What unknown users' salts are made of. Give all proxies the same, so that nobody learns from a "
                   "restart who exists; without it, one is made up at each start.")};
  return section;
}

const Section<AuthQuery>& auth_query_section() {
  static const Section<AuthQuery> section{
      text_field("user", &AuthQuery::user, kReload, "The role that asks; it needs the right to read what `query` reads.").must(),
      secret_field("password", &AuthQuery::password, kReload, "Its password."),
      text_field("dbname", &AuthQuery::dbname, kReload, "The database to ask in; without it, the first primary's own."),
      text_field("query", &AuthQuery::query, kReload,
                 "Takes the user as `$1` and answers at most one row: name, secret and, if it likes, the secret's expiry in "
                 "seconds since 1970. search_path is pinned to pg_catalog: write other schemas out."),
      duration_field("cache", &AuthQuery::cache, milliseconds(0), std::chrono::hours(24), kReload,
                     "How long an answer counts. A login that fails asks again at once."),
      duration_field("timeout", &AuthQuery::timeout, milliseconds(100), std::chrono::minutes(1), kReload,
                     "How long one look-up may take, connecting included.")};
  return section;
}

}  // namespace howdah::config
