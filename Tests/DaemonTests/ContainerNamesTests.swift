import Foundation
import TestSupport
import Testing

@testable import Daemon

/// What containers are called, where the engine's state says so.
@Suite struct ContainerNamesTests {
    private static let id = String(repeating: "0123456789abcdef", count: 4)

    private func place(_ text: String, _ path: String, in root: String) throws {
        let place = root + path
        try FileManager.default.createDirectory(
            atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try write(text, to: place)
    }

    @Test(arguments: [
        (
            "/var/lib/docker/containers/ID/config.v2.json",
            #"{"State":{"Name":"no"},"ID":"ID","Name":"/web.1","Config":{"Env":["a"]}}"#, "web.1"
        ),
        (
            "/var/lib/containers/storage/overlay-containers/containers.json",
            #"[{"id":"other","names":["no"]},{"names":["db","x"],"id":"ID","metadata":"{}"}]"#, "db"
        ),
        (
            "/run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json",
            #"{"annotations":{"io.kubernetes.cri.container-name":"app","io.kubernetes.cri.sandbox-name":"shop-0"}}"#,
            "shop-0_app"
        ),
        (
            "/run/containerd/io.containerd.runtime.v2.task/default/ID/config.json",
            #"{"process":{},"annotations":{"nerdctl/name":"cache","x":[1]}}"#, "cache"
        ),
    ])
    func theEnginesStateNamesIt(path: String, text: String, name: String) throws {
        let root = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: root) }
        func filled(_ text: String) -> String { text.replacingOccurrences(of: "ID", with: Self.id) }
        try place(filled(text), filled(path), in: root)
        let names = ContainerNames(root: root)
        func named(_ group: String) -> String {
            String(decoding: names.named(Array(group.utf8)) ?? [], as: UTF8.self)
        }
        #expect(named("system.slice/docker-\(Self.id).scope/sub") == "system.slice/docker-\(name).scope/sub")
        #expect(named("docker/\(Self.id)") == "docker/\(name)")
        // The answer stands, whatever becomes of the file.
        try FileManager.default.removeItem(atPath: root + filled(path))
        #expect(named("docker/\(Self.id)") == "docker/\(name)")
        let other = "docker/" + String(repeating: "f", count: 64)
        #expect(named(other) == other)
    }

    @Test func onlyNumbersOfContainersAreLookedUp() {
        let digits = Self.id.utf8.count
        #expect(digits == 64)
        for path in [
            "a.service", "docker/\(Self.id)0", "docker-\(Self.id)x.scope", "x\(Self.id)", "docker/ABC",
        ] {
            #expect(ContainerNames.number(in: Array(path.utf8)) == nil, "\(path)")
        }
        #expect(ContainerNames.number(in: Array(Self.id.utf8)) == 0..<64)
        #expect(ContainerNames(root: "/nonexistent").named(nil) == nil)
    }

    /// A name that could be more than a name is none.
    @Test(arguments: [
        "{\"Name\":\"/../../etc\"}", "{\"Name\":\"/a b\"}", "{\"Name\":\"\"}", "{\"Name\":\"/*\"}",
        "{\"Name\":7}", "{\"Name\":\"/web\"", "[]", "", "{\"Name\":\"/\\u0000\"}",
        "{\"Name\":\"/\(String(repeating: "x", count: 129))\"}",
    ])
    func hostileState(text: String) { #expect(ContainerState.dockerName(Array(text.utf8)) == nil) }
}
