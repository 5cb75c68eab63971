import Foundation
import MovePlan
import Records
import TestSupport
import Testing

/// docs/plan-format.md and its schema.
@Suite struct FormatTests {
    private let schema: JSONSchema

    init() throws {
        schema = try JSONSchema(
            json: JSONValue(parsing: bytes(ofFile: packageFolder + "/docs/plan-format.schema.json")))
    }

    /// A plan that was made of a host's files.
    private func plan() throws -> JSONValue {
        let root = try PlanRoot()
        try root.file("/usr/bin/python3")
        try root.package("python3", ["/usr", "/usr/bin", "/usr/bin/python3"])
        try root.file("/srv/app/app.py", "import os\nopen('/etc/app.conf')\n")
        try root.file("/etc/app.conf")
        try root.file("/etc/cron.d/app", "0 * * * * root /srv/app/app.py\n")
        try root.link("/opt/app", to: "/srv/app")
        for number in 0..<3 { try root.file("/srv/uploads/\(number)") }
        try root.file("/etc/passwd", "shop:x:\(geteuid() + 7):7::/srv:/bin/false\n")
        var host = root.plan("/srv/app/app.py", reads: ["/etc/machine-id"], busy: ["/srv/uploads/1"])
        host.name = "vm"
        host.observed = 1...2_000_000_000
        host.isolation = .init(choice: "chroot", reasons: [])
        host.programs[0].process = PlannedProcess()
        host.ports = [.init(address: "tcp:0.0.0.0:80", program: host.programs[0].script)]
        host.endpoints = [
            .init(
                address: "tcp:10.0.0.9:5432", program: host.programs[0].script, isOutgoing: true,
                count: .max >> 1)
        ]
        host.firstUsed = [Array("/srv/uploads/1".utf8)]
        host.accounts.append(.init(isUser: false, name: "shop", number: 7))
        return PlanDocument.value(Plan(program: "app.py", made: 4_000_000_000, hosts: [host]))
    }

    @Test func whatIsWrittenHolds() throws {
        let plan = try plan()
        #expect(schema.validate(plan) == [])
        let host = try #require(plan["hosts"]?.array?.first)
        for key in [
            "programs", "packages", "entries", "accounts", "services", "ports", "endpoints",
            "first_used", "unknown",
        ] {
            #expect(host[key]?.array?.isEmpty == false, "\(key): a list without an element shows nothing")
        }
    }

    /// A schema that lets everything pass would hold as well: what the reader refuses breaks it too.
    @Test(arguments: [
        ("\"kind\":\"tree\"", "\"kind\":\"wood\""), ("\"ground\":\"exact\"", "\"ground\":\"sure\""),
        ("\"treatment\":\"final-copy\"", "\"treatment\":\"copy\""),
        ("\"path\":\"/etc/app.conf\"", "\"path\":\"etc/app.conf\""),
        ("\"files\":3", "\"files\":-3"), ("\"files\":3", "\"fils\":3"),
        ("\"start\":\"before\"", "\"start\":\"after\""),
        ("\"direction\":\"out\"", "\"direction\":\"up\""), ("retinue-plan/1", "retinue-plan/2"),
        ("\"capabilities\":\"\",", ""),
        ("\"version\":\"1\",", ""),
    ])
    func whatIsWrongDoesNot(_ change: (from: String, to: String)) throws {
        var out = JSONWriter()
        out.value(try plan())
        let text = String(decoding: out.bytes, as: UTF8.self)
        #expect(text.contains(change.from), "\(text)")
        let wrong = try JSONValue(
            parsing: Array(text.replacing(change.from, with: change.to, maxReplacements: 1).utf8))
        #expect(schema.validate(wrong) != [])
        #expect(throws: PlanDocument.Flaw.self) { try PlanDocument.plan(wrong) }
    }

    /// The page names every word and every rule.
    @Test func thePageIsWhole() throws {
        let page = String(decoding: try bytes(ofFile: packageFolder + "/docs/plan-format.md"), as: UTF8.self)
        for word in Treatment.allCases.map(\.rawValue) + Basis.allCases.map(\.rawValue)
            + PlannedEntry.Kind.allCases.map(\.rawValue)
        {
            #expect(page.contains("`\(word)`"), "\(word)")
        }
        for rule in StayBehind.rules where rule.pattern != "**/postmaster.pid" {
            #expect(
                page.split(separator: "\n").contains {
                    $0.contains("`\(rule.pattern)`") && $0.contains("| \(rule.treatment.rawValue) |")
                },
                "\(rule.pattern)")
        }
    }
}
