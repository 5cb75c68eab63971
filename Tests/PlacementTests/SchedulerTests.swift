import Placement
import Records
import Testing

private func question(
    _ hosts: [(String, processors: Double, demand: Double)],
    _ moves: [(String, at: String, demand: Double, memory: UInt64)], limit: Int = 10
) -> PlacementQuestion {
    var question = PlacementQuestion()
    question.limit = limit
    question.hosts = hosts.map { name, processors, demand in
        var host = PlacementQuestion.Host(name)
        (host.processors, host.demand, host.memory, host.available) = (processors, demand, 8 << 30, 4 << 30)
        return host
    }
    question.moves = moves.map { name, host, demand, memory in
        var move = PlacementQuestion.Move(name, at: host)
        (move.demand, move.memory, move.processes) = (demand, memory, 1)
        move.may = hosts.map(\.0)
        return move
    }
    return question
}

private func places(_ answer: PlacementAnswer) -> [String] {
    answer.placements.map { "\($0.move) \($0.host)" }
}

@Suite("Balance")
struct BalanceTests {
    @Test func ofFourJobsOnOneOfTwoEqualHostsTwoMove() {
        let asked = question(
            [("a", 1, 4), ("b", 1, 0)],
            (1...4).map { ("job\($0)", "a", 1, 1 << 20) })
        #expect(places(Scheduler.balance.answer(to: asked)) == ["job1 b", "job2 b"])
    }

    @Test func nothingMovesWhereNobodyWaitsForAProcessor() {
        let asked = question([("a", 4, 4), ("b", 4, 0)], [("job", "a", 4, 1)])
        #expect(places(Scheduler.balance.answer(to: asked)) == [])
    }

    @Test func whatWouldOnlyChangeWhoWaitsStays() {
        let asked = question([("a", 1, 2), ("b", 1, 0)], [("job", "a", 2, 1)])
        #expect(places(Scheduler.balance.answer(to: asked)) == [])
    }

    @Test func aGainThatIsTooSmallIsNone() {
        var asked = question([("a", 10, 12), ("b", 10, 10)], [("job", "a", 1, 1)])
        #expect(places(Scheduler.balance.answer(to: asked)) == [])
        asked.gain = 0.05
        #expect(places(Scheduler.balance.answer(to: asked)) == ["job b"])
    }

    @Test func processorsCountAndNotHosts() {
        let asked = question(
            [("small", 1, 3), ("large", 8, 2)], (1...3).map { ("job\($0)", "small", 1, 1) })
        #expect(places(Scheduler.balance.answer(to: asked)) == ["job1 large", "job2 large"])
    }

    @Test func ofEqualsTheOneWithLessMemoryMoves() {
        let asked = question(
            [("a", 1, 2), ("b", 1, 0)], [("large", "a", 1, 2 << 30), ("small", "a", 1, 1 << 20)])
        #expect(places(Scheduler.balance.answer(to: asked)) == ["small b"])
    }

    @Test func memoryThatIsNotThereForbids() {
        let asked = question([("a", 1, 2), ("b", 1, 0)], [("huge", "a", 1, 5 << 30)])
        #expect(places(Scheduler.balance.answer(to: asked)) == [])
    }

    @Test func theLimitHolds() {
        let asked = question(
            [("a", 1, 4), ("b", 1, 0)], (1...4).map { ("job\($0)", "a", 1, 1) }, limit: 1)
        #expect(places(Scheduler.balance.answer(to: asked)) == ["job1 b"])
    }

    @Test func itGoesOnlyWhereItMay() {
        var asked = question([("a", 1, 2), ("b", 1, 0), ("c", 1, 0)], [("job", "a", 1, 1)])
        asked.moves[0].may = ["a", "c"]
        #expect(places(Scheduler.balance.answer(to: asked)) == ["job c"])
    }

    @Test func aHostThatLeavesIsEmptiedInOrderWithoutALimit() {
        var asked = question(
            [("a", 1, 3), ("b", 1, 0.5), ("c", 1, 0)],
            [("database", "a", 1, 1), ("shop", "a", 1, 1), ("cache", "a", 1, 1)], limit: 0)
        asked.hosts[0].isLeaving = true
        #expect(places(Scheduler.balance.answer(to: asked)) == ["database c", "shop b", "cache c"])
        // What no host has the memory for stays.
        asked.moves[1].memory = 100 << 30
        #expect(places(Scheduler.balance.answer(to: asked)) == ["database c", "cache b"])
    }
}

@Suite("Together")
struct TogetherTests {
    @Test func aServerFollowsItsClient() {
        var asked = question([("a", 2, 1), ("b", 2, 1)], [("client", "b", 0.2, 1), ("server", "a", 0.5, 1)])
        asked.moves[0].may = ["b"]
        asked.edges = [.init("client", .move("server"), bytes: 1 << 30)]
        let answer = Scheduler.together.answer(to: asked)
        #expect(places(answer) == ["server b"])
        #expect(asked.bytesBetweenHosts() == 1 << 30)
        #expect(asked.bytesBetweenHosts(with: ["server": "b"]) == 0)
    }

    @Test func whatTalksMoreToWhatStaysStays() {
        var asked = question([("a", 2, 1), ("b", 2, 1)], [("server", "a", 0.5, 1), ("client", "b", 0.2, 1)])
        asked.moves[1].may = ["b"]
        asked.edges = [
            .init("client", .move("server"), bytes: 100), .init("server", .host("a"), bytes: 200),
        ]
        #expect(places(Scheduler.together.answer(to: asked)) == [])
    }

    @Test func noHostIsLoadedBeyondItsProcessors() {
        var asked = question([("a", 4, 1), ("b", 1, 1)], [("server", "a", 1, 1)])
        asked.edges = [.init("server", .host("b"), bytes: 1000)]
        #expect(places(Scheduler.together.answer(to: asked)) == [])
        asked.hosts[1].demand = 0
        #expect(places(Scheduler.together.answer(to: asked)) == ["server b"])
    }

    @Test func twoOfAChainMeetAndNoneGoesBack() {
        var asked = question(
            [("a", 8, 0), ("b", 8, 0)], [("one", "a", 0, 1), ("two", "b", 0, 1), ("three", "a", 0, 1)])
        asked.edges = [
            .init("one", .move("two"), bytes: 500), .init("three", .move("two"), bytes: 400),
        ]
        let answer = Scheduler.together.answer(to: asked)
        #expect(places(answer) == ["two a"])
    }

    @Test func bytesThatDoNotFitAreAsMuchAsFits() {
        var asked = question([("a", 8, 0), ("b", 8, 0)], [("one", "a", 0, 1)])
        asked.edges = [
            .init("one", .host("b"), bytes: .max), .init("one", .host("b"), bytes: .max),
        ]
        #expect(asked.bytesBetweenHosts() == .max)
        #expect(places(Scheduler.together.answer(to: asked)) == ["one b"])
    }
}

@Suite("Questions and answers of placement")
struct PlacementFormatTests {
    private var asked: PlacementQuestion {
        var asked = question([("a", 2, 4), ("b", 2, 1)], [("one", "a", 1, 5), ("two", "b", 0.25, 6)])
        asked.seconds = 5
        asked.hosts[1].isLeaving = true
        asked.edges = [.init("one", .move("two"), bytes: 7), .init("two", .host("a"), bytes: 8)]
        return asked
    }

    @Test func aQuestionThatIsWrittenIsReadTheSame() throws {
        var out = JSONWriter()
        out.value(asked.value)
        #expect(try PlacementQuestion(JSONValue(parsing: out.bytes)) == asked)
    }

    @Test func anAnswerMayNameWhatTheQuestionHas() throws {
        func read(_ placements: [(String, String)], _ change: (inout PlacementQuestion) -> Void = { _ in })
            -> String
        {
            var asked = asked
            asked.hosts[1].isLeaving = false
            asked.limit = 1
            change(&asked)
            let answer = PlacementAnswer(placements.map { .init($0.0, to: $0.1, because: "") })
            do throws(PlacementFlaw) {
                let read = try PlacementAnswer(answer.value, to: asked)
                return read == answer ? "" : "another one"
            } catch { return error.description }
        }
        #expect(read([("one", "b")]) == "")
        #expect(read([("three", "b")]).contains("no move of the policy"))
        #expect(read([("one", "c")]).contains("where it may not run"))
        #expect(read([("one", "a")]).contains("where it runs"))
        #expect(read([("one", "b"), ("one", "b")]).contains("comes twice"))
        #expect(read([("one", "b"), ("two", "a")]).contains("2 moves, and 1 are wanted"))
        #expect(read([("one", "b")]) { $0.hosts[1].isLeaving = true }.contains("to be empty"))
        // Those off a host that is to be empty are not counted.
        #expect(read([("one", "b")]) { ($0.hosts[0].isLeaving, $0.limit) = (true, 0) } == "")
    }

    @Test(arguments: [
        "null", "[]", "{}", #"{"schema":"retinue-placement-answer/1"}"#,
        #"{"schema":"retinue-placement-answer/2","placements":[]}"#,
        #"{"schema":"retinue-placement-answer/1","placements":{}}"#,
        #"{"schema":"retinue-placement-answer/1","placements":[7]}"#,
        #"{"schema":"retinue-placement-answer/1","placements":[{"move":"one"}]}"#,
        #"{"schema":"retinue-placement-answer/1","placements":[{"move":7,"to":"b"}]}"#,
    ])
    func whatIsNoAnswerIsRefused(_ text: String) throws {
        let value = try JSONValue(parsing: text)
        #expect(throws: PlacementFlaw.self) { try PlacementAnswer(value, to: asked) }
    }

    @Test func everyCutAndEveryChangeOfAQuestionIsReadOrRefused() throws {
        var out = JSONWriter()
        out.value(asked.value)
        let bytes = out.bytes
        var refused = 0
        for position in bytes.indices {
            for byte in [UInt8(ascii: "0"), UInt8(ascii: "-"), UInt8(ascii: "\""), 0xff] {
                var changed = bytes
                changed[position] = byte
                guard let value = try? JSONValue(parsing: changed) else { continue }
                if let read = try? PlacementQuestion(value) {
                    _ = Scheduler.balance.answer(to: read)
                    _ = Scheduler.together.answer(to: read)
                } else {
                    refused += 1
                }
            }
        }
        #expect(refused > 100)
    }
}
