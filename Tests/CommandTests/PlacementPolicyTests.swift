import Foundation
import MovePlan
import Placement
import Records
import TestSupport
import Testing

@testable import RetinueCommands

@Suite("Placement policies")
struct PlacementPolicyTests {
    private func read(_ text: String) throws -> PlacementPolicy {
        try PlacementPolicy(
            YAMLTree.read(Array(text.utf8), name: "policy"), in: "/etc/retinue", name: "policy")
    }

    private func refusal(_ text: String) -> String {
        do {
            _ = try read(text)
            return ""
        } catch let failure as RetinueCommands.Failure {
            return failure.status == ExitStatus.badInput ? failure.message : "another status"
        } catch { return "\(error)" }
    }

    private let whole = """
        schema: retinue-placement/1
        scheduler: [/opt/place, --eager]
        seconds: 0.5
        limit: 2
        gain: 0.25
        patience: 3
        hosts:
          - a=10.0.0.1
          - host: b=10.0.0.2:99
            processors: 1.5
        moves:
          - name: shop
            plan: shop.yaml
            options: [--live]
          - {name: cache, plan: /plans/cache.json, host: web, hosts: [b]}
        """

    @Test func allOfItIsRead() throws {
        let policy = try read(whole)
        #expect(policy.scheduler == ["/opt/place", "--eager"] && policy.patience == 3)
        #expect(policy.seconds == 0.5 && policy.limit == 2 && policy.gain == 0.25)
        #expect(policy.hosts.map(\.place.text) == ["a=10.0.0.1", "b=10.0.0.2:99"])
        #expect(policy.hosts.map(\.processors) == [nil, 1.5])
        #expect(policy.moves.map(\.plan) == ["/etc/retinue/shop.yaml", "/plans/cache.json"])
        #expect(policy.moves.map(\.hosts) == [["a", "b"], ["b"]])
        #expect(policy.moves[0].options == ["--live"] && policy.moves[1].host == "web")
    }

    @Test(arguments: [
        ("schema: retinue-placement/1", "schema: retinue-placement/2", "is not retinue-placement/1"),
        ("limit: 2", "limits: 2", "no key `limits`"), ("limit: 2", "limit: 0", "`limit` is a number"),
        ("gain: 0.25", "gain: much", "`gain` is a number"), ("seconds: 0.5", "seconds: 61", "`seconds`"),
        ("- a=10.0.0.1", "- a=:0", "a host is HOST"), ("- a=10.0.0.1", "- b=10.0.0.1", "comes twice"),
        ("processors: 1.5", "processors: 0", "above 0"), ("name: shop", "name: cache", "comes twice"),
        ("hosts: [b]", "hosts: [c]", "a host c"), ("options: [--live]", "options: --live", "a list of texts"),
        ("options: [--live]", "option: [--live]", "no key `option`"),
        ("plan: shop.yaml", "plan: ''", "a `name` and a `plan`"),
        ("scheduler: [/opt/place, --eager]", "scheduler: []", "names no program"),
    ])
    func whatIsWrongIsNamed(_ right: String, _ wrong: String, _ words: String) {
        let text = whole.replacingOccurrences(of: right, with: wrong)
        #expect(text != whole)
        #expect(refusal(text).contains(words), "\(refusal(text))")
    }

    @Test(arguments: ["/no/such/policy", "/"])
    func oneThatIsNotThereIsBadInput(path: String) {
        let failure = #expect(throws: RetinueCommands.Failure.self) { try PlacementPolicy.read(at: path) }
        #expect(failure?.status == ExitStatus.badInput)
    }

    @Test func optionsAreThoseOfAMove() throws {
        try withTemporaryFolder { folder in
            let plan = """
                {"schema":"retinue-plan/1","program":"/bin/a","made":"2026-01-01T00:00:00Z","hosts":[{"host":"a",
                 "programs":[{"executable":"/bin/a","start":"before","reason":"by hand"}],"packages":[],"entries":[],"accounts":[],
                 "services":[],"ports":[]}]}
                """
            try write(plan, to: folder + "/plan.json")
            func order(_ options: String) throws -> JSONValue {
                let text = """
                    schema: retinue-placement/1
                    hosts: [a=10.0.0.1, b=10.0.0.2]
                    moves: [{name: one, plan: \(folder)/plan.json, options: \(options)}]
                    """
                let policy = try read(text)
                return try policy.order(policy.moves[0], to: "b")
            }
            let made = try order("[--live, --downtime, '0.25']")
            #expect(made["name"]?.string == "one" && made["host"]?.string == "b")
            #expect(made["at"]?.string == "10.0.0.2" && made["live"] == .boolean(true))
            // As it is sent it is read: a number stays one.
            var out = JSONWriter()
            out.value(made)
            #expect(try JSONValue(parsing: out.bytes)["downtime"] == .double(0.25))
            for wrong in ["[--nothing]", "[--to, c]", "[--name, two]", "[--rounds, '99']"] {
                #expect(throws: RetinueCommands.Failure.self) { try order(wrong) }
            }
        }
    }

    private func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }
}

/// Each in a process of its own: who starts a scheduler holds signals back and adopts orphans, which is no matter for a command.
@Suite("Schedulers as programs")
struct SchedulerProgramTests {
    private static var question: PlacementQuestion {
        var question = PlacementQuestion()
        question.hosts = ["a", "b"].map { PlacementQuestion.Host($0) }
        question.moves = [PlacementQuestion.Move("one", at: "a")]
        question.moves[0].may = ["a", "b"]
        return question
    }

    private static func answer(_ words: [String], patience: Int = 20) throws -> PlacementAnswer {
        try SchedulerProgram(words, patience: patience).answer(to: question, signals: HeldSignals())
    }

    private static func refusal(_ script: String, patience: Int = 20) -> String {
        do {
            _ = try answer(["sh", "-c", script], patience: patience)
            return ""
        } catch let failure as RetinueCommands.Failure {
            return ([failure.message] + failure.details).joined(separator: "\n")
        } catch { return "\(error)" }
    }

    private static let good =
        #"{"schema":"retinue-placement-answer/1","placements":[{"move":"one","to":"b","reason":"r"}]}"#

    @Test func itGetsTheQuestionAndItsAnswerIsTaken() async {
        await #expect(processExitsWith: .success) {
            // It answers only if it has read all of what it was asked.
            let script = "grep -q 'retinue-placement-question/1.*\"move\":\"one\"' && echo '\(Self.good)'"
            let answer = try Self.answer(["sh", "-c", script])
            #expect(answer.placements == [.init("one", to: "b", because: "r")])
        }
    }

    @Test func whatIsNoAnswerMovesNothing() async {
        await #expect(processExitsWith: .success) {
            #expect(Self.refusal("echo why >&2; exit 3").contains("ended with 3"))
            #expect(Self.refusal("echo why >&2; exit 3").contains("why"))
            #expect(Self.refusal("echo '{'").contains("no JSON"))
            #expect(Self.refusal("true").contains("no JSON"))
            #expect(Self.refusal("echo '\(Self.good)'; exit 1").contains("ended with 1"))
            #expect(Self.refusal("kill -9 $$").contains("ended with 137"))
            #expect(Self.refusal("echo '\(Self.good)' | sed 's/one/two/'").contains("no move of the policy"))
            #expect(Self.refusal("exec sleep 60", patience: 1).contains("has not answered within 1 s"))
            #expect(Self.refusal("head -c 17000000 /dev/zero").contains("more than 16 MiB"))
        }
    }

    @Test func aProgramThatIsNotThereIsNamed() async {
        await #expect(processExitsWith: .success) {
            #expect(throws: RetinueCommands.Failure.self) {
                try Self.answer(["/no/such/program"], patience: 5)
            }
        }
    }
}

@Suite("Schemas of placement")
struct PlacementSchemaTests {
    private func schema(_ name: String) throws -> JSONSchema {
        let path = packageFolder + "/docs/\(name).schema.json"
        return try JSONSchema(json: JSONValue(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path)))))
    }

    @Test func whatIsWrittenIsAsTheSchemasHaveIt() throws {
        var question = PlacementQuestion()
        question.hosts = ["a", "b"].map { PlacementQuestion.Host($0) }
        question.moves = [PlacementQuestion.Move("one", at: "a")]
        question.edges = [.init("one", .host("b"), bytes: 5), .init("one", .move("two"), bytes: 6)]
        var out = JSONWriter()
        out.value(question.value)
        let written = try JSONValue(parsing: out.bytes)
        #expect(try schema("placement-question").validate(written) == [])
        #expect(try schema("placement-question").validate(.object([])) != [])
        let answer = PlacementAnswer([.init("one", to: "b", because: "")])
        #expect(try schema("placement-answer").validate(answer.value) == [])
        #expect(try schema("placement-answer").validate(.object([.init("schema", .string("x"))])) != [])
    }
}
