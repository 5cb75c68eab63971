import Observation
import Records
import Testing

/// Records of the programs of one control group alone.
@Suite struct ControlGroupTests {
    private let client = Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 40000)
    private let server = Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 80)
    private let none = Endpoint(NetworkAddress(v4: 0), port: 0)

    private func scene() -> Scene {
        let scene = Scene(Scope(workload: Array("app.slice/web".utf8)))
        scene.host.add(10, "/usr/bin/inside", workload: "app.slice/web")
        scene.host.add(11, "/usr/bin/below", workload: "app.slice/web/worker")
        scene.host.add(20, "/usr/bin/outside", workload: "app.slice/web2")
        scene.host.add(21, "/usr/bin/root")
        scene.host.heads["/usr/bin/cat"] = .plain
        return scene
    }

    @Test(arguments: [
        ("a/b", "a/b", true), ("a/b", "a/b/c", true), ("a/b", "a/bc", false), ("a/b", "a", false),
        ("a/b", "", false), ("a/b", "x/a/b", false), ("a/b", "a/b/", true),
    ])
    func aGroupHoldsThoseBelowIt(group: String, workload: String, isInside: Bool) {
        let scope = Scope(workload: Array(group.utf8))
        #expect(scope.contains(workload: Array(workload.utf8)) == isInside)
        #expect(Scope().contains(workload: Array(workload.utf8)))
    }

    @Test func filesAreThoseOfTheGroup() {
        var scene = scene()
        for pid: Int32 in [10, 11, 20, 21] { scene.write(pid, "/data/\(pid)") }
        scene.interpret()
        #expect(
            scene.lines == ["/usr/bin/below file /data/11 rw", "/usr/bin/inside file /data/10 rw"])
    }

    @Test func aProgramStartedIsReportedByWhoIsInside() {
        var scene = scene()
        scene.fork(20, 30)
        scene.exec(30, "/usr/bin/cat", workload: "app.slice/web")
        scene.fork(10, 31)
        scene.exec(31, "/usr/bin/cat", workload: "other.slice")
        scene.interpret()
        #expect(
            scene.lines == ["/usr/bin/cat file /usr/bin/cat x", "/usr/bin/inside spawn /usr/bin/cat"])
    }

    /// Who is outside has no record, and is named as the other end.
    @Test(arguments: [(Int32(10), Int32(20)), (20, 10)])
    func whoIsOutsideIsNamedAsPeer(listening: Int32, connecting: Int32) {
        var scene = scene()
        scene.transition(listening, 5, .close, .listen, server, none)
        scene.transition(connecting, 1, .close, .synSent, Endpoint(client.address, port: 0), server)
        scene.transition(77, 1, .synSent, .established, client, server)
        scene.transition(77, 101, .synReceived, .established, server, client)
        scene.ends(listening, 101, server, client)
        scene.closure(client, server, sent: 100, received: 50)
        scene.closure(server, client, sent: 50, received: 100)
        scene.interpret()
        #expect(
            scene.lines
                == (listening == 10
                    ? [
                        "/usr/bin/inside accept :80 peer /usr/bin/outside x1 50/100 exact",
                        "/usr/bin/inside listen :80 exact",
                    ]
                    : ["/usr/bin/inside connect :80 peer /usr/bin/outside x1 100/50 exact"]))
    }

    @Test func aScanIsRestrictedTheSameWay() {
        var scene = scene()
        var snapshot = HostSnapshot()
        snapshot.processes = [10, 20].map { pid in
            ProcessSnapshot(
                facts: scene.host.processes[pid]!,
                files: [HeldFile(path: Array("/data/\(pid)".utf8), access: .opened, kind: .regular)])
        }
        snapshot.sockets = [
            SocketSnapshot(.tcp, isListening: true, local: server, remote: none, holders: [20]),
            SocketSnapshot(.tcp, isListening: false, local: server, remote: client, holders: [20]),
            SocketSnapshot(.tcp, isListening: false, local: client, remote: server, holders: [10]),
        ]
        snapshot.channels = [ChannelSnapshot(.unix, name: Array("/run/s".utf8), holders: [20], peers: [10])]
        scene.observer.take(snapshot, .start)
        #expect(
            scene.lines == [
                "/usr/bin/inside connect :80 peer /usr/bin/outside x1 0/0 snapshot",
                "/usr/bin/inside file /data/10 r",
                "/usr/bin/inside file /usr/bin/inside x",
                "/usr/bin/inside ipc /run/s peer /usr/bin/outside",
            ])
    }
}
