import Control
import MovePlan
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// What commands answer as JSON, held against docs/answers.schema.json and its neighbours. That of `retinue status` is the
/// daemon's (DaemonTests), that of `retinue advise` is looked at in all of its own tests.
@Suite("Schemas of answers")
struct AnswerSchemaTests {
    private static let from = ["--from", "web.ndjson", "db.ndjson"]

    /// The words of a command, the schema of its answer, and what would damage it.
    private static let commands: [(words: [String], schema: String, document: String)] = [
        (["why", "shop.py", "postgres"] + from, "why", "group-format"),
        (["why", "shop.py", "/etc/shop.conf"] + from, "why", "group-format"),
        (["group", "shop.py"] + from, "group", "group-format"),
        (["transfer", "shop.py"] + from, "transfer", "answers"),
        (["transfer", "--plan", "plan.yaml"], "transfer", "answers"),
        (["advise", "shop.py"] + from, "advice", "answers"),
        (["advise", "--plan", "plan.yaml"], "advice", "answers"),
        (["advise", "/a", "--from", "list.csv"], "advice", "answers"),
        (["plan", "shop.service"] + from, "plan", "plan-format"),
        (["plan", "check", "plan.yaml"], "plan-check", "answers"),
        (["plan", "check", "edited.yaml", "--against", "plan.yaml"], "plan-check", "answers"),
        (["plan", "files", "plan.yaml", "--root", "root"], "plan-files", "answers"),
        (["plan", "export", "plan.yaml", "--apt"], "plan-export", "answers"),
        (["plan", "export", "plan.yaml", "--tar", "files.tar", "--root", "root"], "plan-export", "answers"),
        (["diff", "web.ndjson", "web.ndjson"], "diff", "answers"),
        (["diff", "web.ndjson", "other.ndjson", "--counts"], "diff", "answers"),
        (["diff", "list.csv", "other.csv"], "diff", "answers"),
        (["diff", "plan.yaml", "edited.yaml"], "diff", "answers"),
        (["diff", "one.json", "two.json"], "diff", "answers"),
        (["probe"], "probe", "answers"), (["policy"], "policy", "answers"),
        (["list", "10.0.0.1=calls.csv"], "list", "answers"),
    ]

    private func inFolder(_ body: (CommandFolder) throws -> Void) throws {
        try CommandFolder.with { folder in
            try folder.write("exec,7,/bin/b\nopen,7,/etc/a,r\n", "calls.csv")
            try folder.write("10.0.0.1,/a,10.0.0.1,/b\n", "list.csv")
            try folder.write("10.0.0.1,/a,10.0.0.1,/c\n", "other.csv")
            var other = Shop.web
            let shop = other.program(
                "/usr/bin/python3.11", script: "/srv/shop.py", workload: "system.slice/shop.service")
            // What is no UTF-8 has its bytes beside it.
            let path = other.ledger.texts.intern([UInt8]("/srv/".utf8) + [0xff, 0x22])
            other.ledger.note(
                .file(shop, path: path), access: [.opened, .written], evidence: .exact, time: HostDump.time)
            other.file(shop, "/etc/shop.conf", .written)
            try folder.write(other.ndjson, "other.ndjson")
            for (name, dump) in [("one", "web.ndjson"), ("two", "other.ndjson")] {
                #expect(
                    try folder.retinue("group", "shop.py", "--from", dump, "--json", "-o", "\(name).json")
                        .status
                        == 0)
            }
            #expect(
                try folder.retinue("plan", "shop.service", "--from", "other.ndjson", "-o", "plan.yaml").status
                    == 0)
            try folder.write(
                try folder.text("plan.yaml").replacing("/etc/shop.conf", with: "/etc/x.conf"), "edited.yaml")
            try makeFolder(folder.path + "/root/etc")
            try folder.write("x", "root/etc/shop.conf")
            try body(folder)
        }
    }

    @Test func everyAnswerHoldsItsSchema() throws {
        try inFolder { folder in
            for (words, name, document) in Self.commands {
                let outcome = try folder.retinue(words + ["--json"])
                let schema = try JSONSchema.answer(name, in: document)
                #expect(schema.problems(in: outcome.output) == [], "\(words): \(outcome.errors)")
                // One that holds for anything would hold as well.
                let others = try Self.damaged(JSONValue(parsing: outcome.output))
                #expect(!others.isEmpty && others.allSatisfy { !schema.validate($0).isEmpty }, "\(words)")
            }
        }
    }

    /// The answers of a trial, of an image and of a forgetting, without root and without a daemon.
    @Test func answersOfWhatNeedsMore() throws {
        let host = try PlanFile.read(
            Array(
                "schema: retinue-plan/1\nprogram: a\nmade: 2026-11-27T00:00:00Z\nhosts: [{host: h}]\n".utf8),
            name: "plan"
        ).hosts[0]
        let trial = PlanAnswer.trial(
            host, isRunning: false, sentence: "it ended", rounds: 2,
            added: [(1, [UInt8]("/a\n".utf8) + [0xff], [UInt8]("/bin/b".utf8))], consistency: .freeze,
            frozen: 0.25)
        let forgotten = ForgetCommand.json([.init(relation: "file", records: 23)], 23, isDryRun: true)
        for (name, bytes) in [
            ("plan-try", trial), ("plan-export", PlanAnswer.export(host, form: "oci", file: "x", text: nil)),
            ("forget", forgotten),
        ] {
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(try JSONSchema.answer(name).problems(in: text) == [])
            let damaged = try Self.damaged(JSONValue(parsing: text))
            for value in damaged { #expect(try JSONSchema.answer(name).validate(value) != []) }
        }
    }

    /// The document says of itself what it is: an answer is one of those that it has.
    @Test func theDocumentAsAWhole() throws {
        let path = packageFolder + "/docs/answers.schema.json"
        let schema = try JSONSchema(json: JSONValue(parsing: bytes(ofFile: path)))
        try inFolder { folder in
            for (words, _, document) in Self.commands where document == "answers" {
                let answer = try folder.retinue(words + ["--json"]).output
                #expect(schema.problems(in: answer) == [], "\(words)")
            }
        }
    }

    /// The same with each of its keys under another name, one at a time, and with each in another type.
    private static func damaged(_ value: JSONValue) -> [JSONValue] {
        if let elements = value.array {
            guard let first = elements.first else { return [] }
            return damaged(first).map { .array([$0] + elements.dropFirst()) }
        }
        guard let members = value.members else { return [] }
        return members.indices.flatMap { index -> [JSONValue] in
            var renamed = members
            renamed[index].key += "x"
            var retyped = members
            retyped[index].value = .array([.double(0.5)])
            return [.object(renamed), .object(retyped)]
        }
    }
}
