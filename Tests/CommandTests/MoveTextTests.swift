import ArgumentParser
import MovePlan
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

    @Test func whatIsSpread() throws {
        func spread(_ state: String, _ member: String) -> String {
            """
            {"name":"web","state":"\(state)","activity":null,"balancer":"nft","static":false,"ports":[80],"members":[
             {"name":"source","address":null,"state":"\(state == "spread" ? "up" : state)"},
             {"name":"beta\\u001b","address":"10.0.0.2","state":"\(member)"}]}
            """
        }
        func text(_ json: String) throws -> String { MoveText.answer(try JSONValue(parsing: json)) }
        #expect(
            try text(spread("spread", "down")) == "web: spread over source (up), beta\\x1b (down)\n")
        #expect(try text(spread("draining", "draining")) == "web: draining over source, beta\\x1b\n")
        #expect(try text(spread("open", "open")) == "web: at the source alone\n")
        let status = #"{"departures":[],"arrivals":[],"spreads":[\#(spread("open", "open"))]}"#
        #expect(try text(status) == "no move has begun or ended at this host\n")
        let check = #"{"problems":["no"],"notes":[],"spread":{}}"#
        #expect(try text(check) == "it cannot be spread\n  stands in the way: no\n")
    }

    @Test(arguments: [
        ["p"], ["p", "--over", "a=10.0.0.2", "--drain"], ["p", "--over", "a", "--own", "b"],
        ["p", "--over", "a", "--balancer", "x"], ["p", "--over", "a", "--within", "1"],
    ])
    func spreadsThatAreNone(words: [String]) {
        #expect(throws: (any Error).self) { try SpreadMoveCommand.parse(words) }
    }

    @Test func hostsOfASpread() throws {
        let places = try SpreadMoveCommand.places("a=10.0.0.2,b=[fd00::3]:99")
        #expect(places.map(\.host) == ["a", "b"] && places.map(\.port) == [7420, 99])
        #expect(places.map(\.address) == ["10.0.0.2", "fd00::3"])
        #expect(throws: (any Error).self) { try SpreadMoveCommand.places("a=10.0.0.2,") }
    }

    @Test func processesThatCanMove() throws {
        let answer = try JSONValue(
            parsing: """
                {"schema":"retinue-movable/1","processes":[
                 {"pid":7,"processes":1,"arguments":["/bin/a","b\\u001b"],"movable":true,"restored":false,"reasons":[]},
                 {"pid":8,"processes":1,"arguments":["/bin/c"],"movable":false,"restored":true,"reasons":[]},
                 {"pid":9,"processes":2,"arguments":["/bin/d"],"movable":false,"restored":false,"reasons":[
                  {"what":"a ring","cure":"use threads"}]}]}
                """)
        let some = "7\tmove, save\t/bin/a b\\x1b\n8\tsave\t/bin/c\n"
        #expect(MoveText.movable(answer, all: false) == some)
        #expect(MoveText.movable(answer, all: true) == some + "9\tno\t/bin/d\n\t\ta ring; use threads\n")
        let none = "no process of this host could be moved alive\n"
        #expect(MoveText.movable(.object([.init("processes", .array([]))]), all: true) == none)
    }
}
