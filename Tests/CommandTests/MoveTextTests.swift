import Records
import Testing

@testable import RetinueCommands

/// What `retinue move` prints of an agent's answers.
@Suite("Answers of agents as text")
struct MoveTextTests {
    @Test func verdictsOfACheck() throws {
        let answer = try JSONValue(
            parsing: """
                {"problems":[],"notes":["one note"],"programs":[
                 {"executable":"/bin/a","script":null,"processes":1,"verdict":"live","reasons":[],"omitted":0},
                 {"executable":"/bin/b","script":"/srv/b.py","processes":0,"verdict":"cold","reasons":[],"omitted":0},
                 {"executable":"/bin/c","script":null,"processes":3,"verdict":"cold","omitted":7,"reasons":[
                  {"rules_out":"live","effect":"lost","pid":5,"place":"descriptor","descriptor":4,"kind":"pipe",
                   "what":"a pipe","peer":"process 9 (/bin/x)","cure":"close it","count":2},
                  {"rules_out":"hand-over","effect":"refused","pid":5,"place":"attribute","descriptor":null,"kind":"no-port",
                   "what":"no port\\u001b","peer":null,"cure":"use cold","count":1}]}]}
                """)
        #expect(
            MoveText.answer(answer) == """
                it can be moved
                  one note
                  /bin/a: live
                  /bin/b /srv/b.py: cold, it does not run
                  /bin/c: cold, 3 processes
                    not live: process 5, descriptor 4: a pipe (would be lost); at its other end process 9 (/bin/x); close it; 2 times
                    not hand-over: process 5: no port\\x1b; use cold
                    and 7 more

                """)
    }
}
