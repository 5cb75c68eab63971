import Foundation
import TestSupport

/// A folder with a plan, and the files that it copies.
enum PlanFolder {
    static let plan = """
        schema: retinue-plan/1
        program: shop
        made: 2026-11-27T00:00:00Z
        hosts:
        - host: h1
          name: web1
          programs:
          - executable: /usr/bin/python3
            start: before
            process:
              arguments: [python3, /srv/shop.py, "a \\"b\\" $c"]
              folder: /srv/shop
              user: 990
              group: 991
              groups: [991, 8]
              capabilities: "0"
              environment: [TZ=UTC, TOKEN, "LANG=a b", "PRICE=$5 'x'"]
          packages:
          - {system: debian, name: python3, version: 3.11.2-1, reason: it}
          - {system: debian, name: "lib:amd64", version: "1:2~b", reason: it}
          entries:
          - {path: /srv/shop, kind: tree, treatment: pre-copy, bytes: 5}
          - {path: /srv/gone, kind: file, treatment: final-copy}
          - {path: /run/shop, kind: folder, treatment: make-anew}
          accounts:
          - {kind: user, name: shop, number: 990, group: 991, home: /srv, shell: /bin/sh}
          - {kind: group, name: shop, number: 991}
          ports:
          - {address: "tcp:0.0.0.0:80", program: /usr/bin/python3}
          - {address: "unix:/run/x", program: /usr/bin/python3}

        """

    static func with(_ body: (CommandFolder) throws -> Void) throws {
        try CommandFolder.with { folder in
            try folder.write(plan, "plan.yaml")
            for name in ["/root/etc", "/root/srv/shop"] { try makeFolder(folder.path + name) }
            try folder.write("ID=debian\nVERSION_CODENAME=\"bookworm\"\n", "root/etc/os-release")
            try folder.write("x", "root/srv/shop/a\nb")
            try body(folder)
        }
    }

    static func export(_ folder: CommandFolder, _ words: String...) throws -> ProgramTests.Outcome {
        try folder.retinue(["plan", "export", "plan.yaml", "--root", "root"] + words)
    }
}
