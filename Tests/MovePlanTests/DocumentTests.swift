import MovePlan
import Records
import TestSupport
import Testing

/// The plan as a text that people edit.
@Suite struct DocumentTests {
    private var plan: Plan {
        var host = HostPlan(id: "0123")
        host.name = "vm"
        host.observed = 1_000_000_000...2_000_000_000
        host.gaps = 1
        host.isolation = .init(choice: "container", reasons: ["a chroot shares the network"])
        var program = PlannedProgram(executable: Array("/usr/bin/python3".utf8))
        program.script = [0x2f, 0xff, 0x0a, 0x5c]
        program.since = 3_000_000_000
        program.isStop = true
        program.order = 2
        program.writes = PlannedWrites(bytes: 90, seconds: 30)
        var process = PlannedProcess()
        process.arguments = [Array("a".utf8)]
        process.folder = Array("/".utf8)
        process.groups = [33]
        process.capabilities = "0"
        process.environment = [Array("TZ=UTC".utf8)]
        process.limits = [.init("nofile", soft: 1024, hard: nil), .init("core", soft: nil, hard: .max)]
        program.process = process
        host.programs = [program]
        host.packages = [.init(system: "debian", name: "nginx", version: "1.22", reason: "x")]
        var link = PlannedEntry(Array("/srv/a".utf8), .link, .preCopy, .implied, reason: "leads")
        link.target = Array("b".utf8)
        link.owner = (0, 33, 0o777)
        var tree = PlannedEntry(Array("/srv/t".utf8), .tree, .finalCopy, .exact, reason: "")
        (tree.bytes, tree.files, tree.unopened) = (1 << 40, 7, 6)
        host.entries = [link, tree]
        var user = PlannedAccount(isUser: true, name: "shop", number: 990)
        user.destination = 2990
        (user.group, user.home, user.shell) = (991, Array("/srv".utf8), Array("/bin/sh".utf8))
        host.accounts = [user, .init(isUser: false, name: "shop", number: 991)]
        host.services = [.init(kind: "unit", name: "a.service", files: [Array("/etc/a".utf8)])]
        host.ports = [.init(address: "tcp:0.0.0.0:80", program: Array("/usr/sbin/nginx".utf8))]
        host.endpoints = [
            .init(address: "tcp:10.0.0.9:5432", program: Array("/x".utf8), isOutgoing: true, count: 3)
        ]
        host.firstUsed = [Array("/srv/t/b".utf8), [0x2f, 0xff, 0x0a]]
        host.unknown = ["events were lost"]
        host.consistency = Consistency(.hook, before: "sync", after: "true")
        var move = PlannedMove(to: HostPlace("vm2=10.0.0.2")!)
        move.source = HostPlace("vm=[fd00::1]:7421")
        (move.address, move.confirm) = ("10.0.0.5/24", "true")
        (move.start, move.isolation, move.forwards) = ("x", "container", true)
        host.move = move
        return Plan(program: "nginx", made: 4_000_000_000, hosts: [host])
    }

    @Test func isReadBackAsItWas() throws {
        #expect(try PlanDocument.plan(PlanDocument.value(plan)) == plan)
    }

    @Test(
        arguments: [
            (#"{"way":"freeze","before":"sync"}"#, nil), (#"{"way":"stop"}"#, nil),
            (#"{"way":"freeze"}"#, nil),
            (#"{"way":"melt"}"#, "hosts[0].consistency.way"), (#"{"way":"hook"}"#, "hosts[0].consistency"),
            (#"{}"#, "hosts[0].consistency"), (#"{"way":"stop","after":"x"}"#, "hosts[0].consistency"),
            (#"{"way":"freeze","before":"\u0000"}"#, "hosts[0].consistency"),
            (#"{"way":"freeze","x":1}"#, "hosts[0].consistency"),
            (#""freeze""#, "hosts[0].consistency"),
        ] as [(String, String?)])
    func howDataIsMadeConsistent(text: String, flaw: String?) throws {
        var other = plan
        other.hosts[0].consistency = nil
        guard case .object(var members) = PlanDocument.value(other),
            case .array(var hosts) = members[3].value, case .object(var host) = hosts[0]
        else { return }
        host.append(.init("consistency", try JSONValue(parsing: text)))
        hosts[0] = .object(host)
        members[3].value = .array(hosts)
        do {
            let read = try PlanDocument.plan(.object(members))
            #expect(flaw == nil)
            let isStop = read.hosts[0].consistency?.way == .stop
            let lines = PlanChanges(from: other, to: read).lines
            #expect(lines == (isStop ? [] : ["vm: consistency: stop -> freeze"]))
        } catch { #expect(error.place == flaw, "\(error)") }
    }

    /// Every key that is changed to something else is a flaw with its place, or a change that shows.
    @Test func everyKeyIsRead() throws {
        let value = PlanDocument.value(plan)
        var places = 0
        func visit(_ value: JSONValue, _ rebuild: (JSONValue) -> JSONValue) {
            switch value {
            case .object(let members):
                for (number, member) in members.enumerated() {
                    visit(member.value) { new in
                        var members = members
                        members[number].value = new
                        return rebuild(.object(members))
                    }
                }
            case .array(let elements):
                for (number, element) in elements.enumerated() {
                    visit(element) { new in
                        var elements = elements
                        elements[number] = new
                        return rebuild(.array(elements))
                    }
                }
            default:
                places += 1
                let changed = rebuild(value == .integer(5) ? .integer(6) : .integer(5))
                guard let read = try? PlanDocument.plan(changed) else { return }
                #expect(read != plan, "\(value) is not read")
            }
        }
        visit(value) { $0 }
        #expect(places > 50)
    }

    @Test(arguments: [
        (#"{"schema":"retinue-plan/2"}"#, "schema: retinue-plan/2 is not retinue-plan/1"),
        (#"{"schema":"retinue-plan/1","programme":"x"}"#, "no key `programme` is known here"),
        (
            #"{"schema":"retinue-plan/1","program":"x","made":"2026-01-01T00:00:00.000Z","hosts":[{"host":"h","entries":[{"path":"/a/../b","kind":"file","treatment":"leave"}]}]}"#,
            "hosts[0].entries[0].path: not an absolute path without `.` and `..`"
        ),
        (
            #"{"schema":"retinue-plan/1","program":"x","made":"2026-01-01T00:00:00.000Z","hosts":[{"host":"h","entries":[{"path":"/a","kind":"file","treatment":"copy"}]}]}"#,
            "hosts[0].entries[0].treatment: `copy` is none of package, pre-copy, final-copy, make-anew, leave"
        ),
        (
            #"{"schema":"retinue-plan/1","program":"x","made":"2026-01-01T00:00:00.000Z","hosts":[{"host":"h","entries":[{"path":"/a","kind":"file","treatment":"leave"},{"path":"/a","kind":"file","treatment":"leave"}]}]}"#,
            "hosts[0].entries: /a comes twice"
        ),
    ])
    func flawsHaveAPlace(_ text: String, _ sentence: String) throws {
        let value = try JSONValue(parsing: text)
        #expect { try PlanDocument.plan(value) } throws: { "\($0)" == sentence }
    }

    @Test func placesOfAgents() {
        for (text, place) in [
            ("db2", ("db2", "db2", 7420)), ("db2=10.0.0.12", ("db2", "10.0.0.12", 7420)),
            ("db2=[fd00::12]:1", ("db2", "fd00::12", 1)), ("db2=fd00::12", ("db2", "fd00::12", 7420)),
            ("db2=h:7421", ("db2", "h", 7421)),
        ] as [(String, (String, String, UInt16))] {
            let read = HostPlace(text)
            #expect(read?.host == place.0 && read?.address == place.1 && read?.port == place.2)
            #expect(read.flatMap { HostPlace($0.text) } == read)
        }
        for text in ["", "=x", "a=", "a=b:", "a=b:0", "a=b:70000", "a=[::1]:x"] {
            #expect(HostPlace(text) == nil, "\(text)")
        }
    }

    @Test func bytesOfPaths() {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                [0x5c, 0x0a, 0xff, 0xc3, 0xa4, 0x61, 0x1b, 0xe2, 0x80, 0xae].randomElement(using: &random)!
                    as UInt8
            }
            let text = PlanText.text(bytes)
            #expect(PlanText.bytes(text) == bytes, "\(text)")
            #expect(!text.unicodeScalars.contains { $0.value < 0x20 })
        }
        #expect(PlanText.bytes(#"\q"#) == nil && PlanText.bytes(#"\x4"#) == nil)
    }

    @Test func changesOfAPerson() {
        var edited = plan
        edited.hosts[0].entries[0].treatment = .leave
        edited.hosts[0].entries.removeLast()
        edited.hosts[0].entries.append(.init(Array("/new".utf8), .file, .preCopy, .likely, reason: ""))
        edited.hosts[0].packages = []
        edited.hosts[0].accounts[1].destination = 2991
        edited.hosts[0].programs[0].order = 3
        edited.hosts[0].ports = []
        edited.hosts[0].endpoints[0].address = "tcp:10.0.0.8:5432"
        edited.hosts[0].isolation?.choice = "machine"
        #expect(
            PlanChanges(from: plan, to: edited).lines == [
                "vm: /srv/a: pre-copy -> leave", "vm: /new: added, pre-copy", "vm: /srv/t: taken out",
                "vm: package nginx 1.22: taken out", "vm: account shop 991 -> 2991: added",
                "vm: account shop 991: taken out", "vm: port tcp:0.0.0.0:80: taken out",
                "vm: endpoint tcp:10.0.0.8:5432: added", "vm: endpoint tcp:10.0.0.9:5432: taken out",
                "vm: isolation: container -> machine",
                "vm: program /usr/bin/python3 /\\xff\\n\\\\: order 2 -> 3",
            ])
        #expect(PlanChanges(from: plan, to: plan).lines == [])
    }
}
