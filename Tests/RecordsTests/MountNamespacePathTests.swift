import Records
import Testing

/// Paths of files that only another mount namespace shows.
@Suite struct MountNamespacePathTests {
    @Test(arguments: [
        ("/mnt:a.slice%2Fb.service/var/x", "a.slice/b.service", "/var/x"),
        ("/mnt:50%25%2Fx/y", "50%/x", "/y"), ("/mnt:4026532177-1764276571", "4026532177-1764276571", "/"),
        ("/mnt:%2", "%2", "/"), ("/mnt:%/", "%", "/"),
    ])
    func takenApart(path: String, namespace: String, inside: String) throws {
        let place = try #require(Array(path.utf8).withUnsafeBytes { MountNamespacePath($0) })
        #expect(String(decoding: place.namespace, as: UTF8.self) == namespace)
        #expect(String(decoding: place.path, as: UTF8.self) == inside)
    }

    @Test(arguments: ["", "/", "/mnt", "/mnt/x", "/mnt:", "mnt:x/y", "/srv/mnt:x"])
    func ofTheHost(path: String) {
        #expect(Array(path.utf8).withUnsafeBytes { MountNamespacePath($0) } == nil)
    }

    /// Whatever a workload is called, its label is one component and gives the name back.
    @Test func labels() throws {
        for name in ["a/b", "100%2F", "%", "user.slice/session-*.scope", "a:b"] {
            let path = [UInt8(ascii: "/")] + MountNamespacePath.label(Array(name.utf8)) + Array("/x".utf8)
            let place = try #require(path.withUnsafeBytes { MountNamespacePath($0) })
            #expect(String(decoding: place.namespace, as: UTF8.self) == name)
            #expect(place.path == Array("/x".utf8))
        }
    }
}
