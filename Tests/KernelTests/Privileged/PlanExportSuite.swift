import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Plans that are carried out by other tools.
    @Suite("plans that are exported")
    struct PlanExportSuite {
        /// Names that mean something to a shell, a list or a text.
        static let names =
            ["-rf", "#x", "a\nb", " blank ", "\\n", "é"].map { Array($0.utf8) } + [[0xff, 0x41]]

        private func shopWithNames() throws -> PlannedShop {
            let shop = try PlannedShop()
            for name in Self.names {
                let path = Array((shop.host + "/srv/pages/").utf8) + name + [0]
                let number = path.withUnsafeBytes {
                    creat($0.baseAddress!.assumingMemoryBound(to: CChar.self), 0o640)
                }
                guard number >= 0 else { throw Failure("creat: \(errno)") }
                close(number)
            }
            return shop
        }

        /// Kind, owner, mode, size, times, links and name of everything in a folder, but for folders that are no entries of the
        /// plan; and all contents.
        private func listing(_ folder: String) throws -> String {
            try run([
                "sh", "-c",
                """
                cd "$1" && find . -mindepth 1 ! -path ./bin ! -path ./usr ! -path ./usr/bin -printf '%y %U %G %m %s %T@ %l %p\\0' | sort -z | base64 &&
                find . -type f -print0 | sort -z | xargs -0 md5sum -z | base64
                """, "sh", folder,
            ])
        }

        @Test(.timeLimit(.minutes(1))) func archives() throws {
            let shop = try shopWithNames()
            let plan = try shop.plan()
            let file = shop.folder + "/files.tar"
            let done = try shop.export(plan, ["--tar", file])
            #expect(done.ending == .exited(0) && done.output.isEmpty && done.errors.isEmpty, "\(done)")
            let streamed = shop.folder + "/streamed.tar"
            try run([
                "sh", "-c", "\"$1\" plan export \"$2\" --root \"$3\" --tar - > \"$4\"", "sh",
                try Products.path("retinue"), plan, shop.host, streamed,
            ])
            try run(["cmp", file, streamed])
            let place = shop.folder + "/unpacked"
            try makeFolder(place)
            try run(["tar", "-x", "-p", "-C", place, "-f", file])
            #expect(try listing(place) == listing(shop.host))
            let read = try run([
                "python3", "-c", "import sys, tarfile; print(len(tarfile.open(sys.argv[1]).getnames()))",
                file,
            ])
            // Folders above are the plan's only where it has them: /srv.
            #expect(read == "\(10 + Self.names.count)\n")
            #expect(try shop.leftovers() == [])
        }

        /// The layout is what the specification says, the same each time; skopeo reads it, umoci unpacks it, runc starts it.
        @Test(.timeLimit(.minutes(2))) func anImageThatStarts() throws {
            let shop = try shopWithNames()
            let before = try shop.original()
            let image = shop.folder + "/image"
            for place in [image, shop.folder + "/again"] {
                let done = try shop.export(try shop.plan(), ["--oci", place])
                #expect(done.ending == .exited(0) && done.errors.isEmpty, "\(done)")
                // Times of a second attempt are other ones.
                usleep(1_100_000)
            }
            try run(["diff", "-r", image, shop.folder + "/again"])
            #expect(try shop.original() == before)
            try check(layout: image)
            let seen = try object(Data(run(["skopeo", "inspect", "oci:\(image):latest"]).utf8))
            #expect((seen["Layers"] as? [String])?.count == 1 && seen["Os"] as? String == "linux")
            let bundle = shop.folder + "/bundle"
            try run(["umoci", "unpack", "--image", image + ":latest", bundle], within: 60)
            for name in Self.names {
                let path = Array((bundle + "/rootfs/srv/pages/").utf8) + name + [0]
                #expect(
                    path.withUnsafeBytes {
                        access($0.baseAddress!.assumingMemoryBound(to: CChar.self), F_OK)
                    } == 0, "\(name)")
            }
            try runs(bundle, shop)
            #expect(try shop.leftovers() == [])
        }

        private func object(_ data: Data) throws -> [String: Any] {
            guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
                throw Failure("no object: \(String(decoding: data, as: UTF8.self))")
            }
            return object
        }

        /// image-spec 1.0: image-layout.md, image-index.md, manifest.md, config.md.
        private func check(layout: String) throws {
            func file(_ name: String) throws -> [String: Any] {
                try object(Data(contentsOf: URL(fileURLWithPath: "\(layout)/\(name)")))
            }
            var blobs: Set<String> = []
            func blob(_ descriptor: Any?, _ type: String) throws -> String {
                let descriptor = try #require(descriptor as? [String: Any])
                #expect(descriptor["mediaType"] as? String == "application/vnd.oci.image.\(type)")
                let digest = try #require(descriptor["digest"] as? String)
                #expect(digest.hasPrefix("sha256:"))
                let name = "blobs/sha256/" + digest.dropFirst(7)
                #expect(try run(["sha256sum", "\(layout)/\(name)"]).prefix(64) == digest.dropFirst(7))
                let size = try FileManager.default.attributesOfItem(atPath: "\(layout)/\(name)")[.size]
                #expect(size as? Int == descriptor["size"] as? Int)
                blobs.insert(String(digest.dropFirst(7)))
                return name
            }
            #expect(try file("oci-layout")["imageLayoutVersion"] as? String == "1.0.0")
            let index = try file("index.json")
            #expect(index["schemaVersion"] as? Int == 2)
            let manifests = try #require(index["manifests"] as? [[String: Any]])
            #expect(manifests.count == 1)
            #expect(
                manifests[0]["annotations"] as? [String: String] == [
                    "org.opencontainers.image.ref.name": "latest"
                ])
            let manifest = try file(try blob(manifests[0], "manifest.v1+json"))
            #expect(manifest["schemaVersion"] as? Int == 2)
            let layers = try #require(manifest["layers"] as? [[String: Any]])
            #expect(layers.count == 1)
            let layer = try blob(layers[0], "layer.v1.tar+gzip")
            let content = try run(["sh", "-c", "gzip -dc < \"$1\" | sha256sum", "sh", "\(layout)/\(layer)"])
            let config = try file(try blob(manifest["config"], "config.v1+json"))
            #expect(config["os"] as? String == "linux" && config["architecture"] as? String == "amd64")
            let rootfs = try #require(config["rootfs"] as? [String: Any])
            #expect(rootfs["type"] as? String == "layers")
            #expect(rootfs["diff_ids"] as? [String] == ["sha256:" + content.prefix(64)])
            let start = try #require(config["config"] as? [String: Any])
            #expect(start["Entrypoint"] as? [String] == ["/bin/busybox", "sh", "/srv/shop/run.sh"])
            #expect((start["Env"] as? [String])?.contains("TITLE=a b") == true)
            #expect(start["User"] as? String == "0:0" && start["WorkingDir"] as? String == "/")
            #expect((start["ExposedPorts"] as? [String: Any])?.keys.sorted() == ["8765/tcp"])
            let found = try FileManager.default.contentsOfDirectory(atPath: layout + "/blobs/sha256")
            #expect(Set(found) == blobs && blobs.count == 3)
        }

        /// Starts a bundle by runc, without what a machine that lacks CAP_SYS_RESOURCE cannot give.
        private func runs(_ bundle: String, _ shop: PlannedShop) throws {
            let change = """
                import json, sys
                path = sys.argv[1] + "/config.json"
                spec = json.load(open(path))
                spec["process"]["terminal"] = False
                spec["process"].pop("rlimits", None)
                spec["linux"].pop("resources", None)
                json.dump(spec, open(path, "w"))
                """
            try run(["python3", "-c", change, bundle])
            let name = "retinue-test-\(getpid())"
            let runc = ["runc", "--root", shop.folder + "/runc"]
            let child = try Child(runc + ["run", "--bundle", bundle, name])
            defer { _ = try? run(runc + ["delete", "--force", name]) }
            let answer: String? = eventually(within: 30) {
                guard let state = try? object(Data(run(runc + ["state", name]).utf8)),
                    let pid = state["pid"] as? Int, pid > 0
                else { return nil }
                return try? run([
                    "nsenter", "--net=/proc/\(pid)/ns/net", "curl", "-fs", "http://127.0.0.1:8765/",
                ])
            }
            #expect(answer == "welcome\n", "\(child.outputText)\(child.errorText)")
        }

        /// Interrupted, or on bad input, nothing is left and nothing is changed.
        @Test(.timeLimit(.minutes(1)), arguments: ["--tar", "--oci"]) func nothingIsLeft(_ form: String)
            throws
        {
            let shop = try PlannedShop()
            let place = shop.folder + "/made"
            let child = try shop.startExport(try shop.plan(), [form, place])
            child.signal(SIGTERM)
            #expect(try child.wait(within: 20) == .killed(signal: SIGTERM))
            #expect(try shop.leftovers() == [])
            let full = shop.folder + "/full"
            try makeFolder(full)
            try write("x", to: full + "/x")
            let plan = try shop.plan()
            for words in [
                [], [form, place, "--apt"], [form, place, "--host", "other"], ["--oci", full],
                [form, shop.folder + "/none/deep"], [form, place, "--root", shop.folder + "/none"],
            ] {
                let done = try shop.export(plan, words)
                #expect(done.ending != .exited(0) && done.output.isEmpty && !done.errors.isEmpty, "\(words)")
            }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: shop.folder).filter {
                    $0.hasPrefix("made")
                }
                    == [])
            #expect(try FileManager.default.contentsOfDirectory(atPath: full) == ["x"])
        }
    }
}

extension PlannedShop {
    func export(_ plan: String, _ words: [String]) throws -> Done {
        try retinue(["plan", "export", plan] + (words.contains("--root") ? [] : ["--root", host]) + words)
    }

    /// Starts an export whose archive would take an hour, and gives it when that has begun.
    func startExport(_ plan: String, _ words: [String]) throws -> Child {
        let child = try start(
            ["plan", "export", plan, "--root", host] + words, try tool("tar", "exec sleep 3600"))
        let isThere: Bool? = eventually(within: 30) {
            access(folder + "/tar-began", F_OK) == 0 ? true : nil
        }
        guard isThere == true else { throw Failure("\(child.outputText)\(child.errorText)") }
        return child
    }
}
