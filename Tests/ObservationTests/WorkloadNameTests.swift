import Records
import Testing

@testable import Observation

@Suite struct WorkloadNameTests {
    private func recorded(_ path: String) -> String? {
        WorkloadName.recorded(Array(path.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        ("user.slice/user-1000.slice/session-7.scope", "user.slice/user-1000.slice/session-*.scope"),
        ("user.slice/user-0.slice/session-c12.scope", "user.slice/user-0.slice/session-*.scope"),
        ("system.slice/run-u41.service", "system.slice/run-*.service"),
        ("system.slice/run-u41.service/worker", "system.slice/run-*.service/worker"),
        ("system.slice/run-r0123456789abcdef0123456789abcdef.scope", "system.slice/run-*.scope"),
        ("run-p412-i413.service", "run-*.service"), ("run-2711.scope", "run-*.scope"),
        (
            "system.slice/system-sshd.slice/sshd@3-192.0.2.1:22-192.0.2.7:50022.service",
            "system.slice/system-sshd.slice/sshd@*.service"
        ),
        ("sshd@3-4711-192.0.2.1:22-192.0.2.7:50022.service", "sshd@*.service"),
        ("x@0-[2001:db8::1]:22-[2001:db8::7]:5.service", "x@*.service"),
        ("log@12-4711-1000.service", "log@*.service"), ("log@12-4711_99-1000.service", "log@*.service"),
    ])
    func whatIsMadeAnew(path: String, expected: String) { #expect(recorded(path) == expected) }

    @Test(arguments: [
        "", "/", "system.slice/postgresql@15-main.service", "system.slice/run-backup.service",
        "session-.scope", "session-x.scope", "session-7.service", "session-7", "run-r12.scope",
        "run-.service",
        "user@1000.service", "getty@tty1.service", "backup@2026-11-27.service", "x@1-2.service",
        "x@a-1-2.service", "worker@1-a:b-c:d.service", "docker-0123456789abcdef.scope", "lxc.payload.web",
        "system.slice/docker-7.scope/init.scope", "dev-disk-by\\x2did-1-2-3.device",
    ])
    func whatPeopleName(path: String) { #expect(recorded(path) == nil) }

    @Test func aHundredLoginsAreOneWorkload() {
        var scene = Scene()
        scene.host.add(10, "/usr/sbin/sshd")
        for number in 0..<100 as Range<Int32> {
            scene.fork(10, 100 + number)
            scene.exec(
                100 + number, "/usr/bin/bash", Scene.loader,
                workload: "user.slice/user-0.slice/session-\(number).scope")
            scene.open(100 + number, "/etc/profile")
            scene.interpret()
        }
        #expect(scene.observer.ledger.records.filter { $0.key.relation == .spawn }.count == 1)
        let files = scene.observer.ledger.records.filter { $0.key.relation == .file && $0.count == 100 }
        #expect(!files.isEmpty)
        let program = scene.observer.ledger[files[0].key.program]
        #expect(
            scene.observer.ledger.texts.array(program.workload)
                == Array("user.slice/user-0.slice/session-*.scope".utf8))
    }

    /// A daemon that keeps to one session sees that one alone.
    @Test func aScopeIsMeantAsItIsNamed() {
        var scene = Scene(Observation.Scope(workload: Array("user.slice/session-7.scope".utf8)))
        scene.host.add(10, "/usr/sbin/sshd")
        for number in [7, 8] as [Int32] {
            scene.fork(10, 100 + number)
            scene.exec(
                100 + number, "/usr/bin/bash", Scene.loader,
                workload: "user.slice/session-\(number).scope")
            scene.open(100 + number, "/etc/profile-\(number)")
        }
        scene.interpret()
        #expect(scene.lines.contains { $0.contains("profile-7") })
        #expect(!scene.lines.contains { $0.contains("profile-8") })
    }
}
