import Foundation
import TestSupport

/// Texts of the programs that the oracle watches.
enum Programs {
    /// Some thirty commands with every kind of redirection; runs in dash and in bash.
    static let pipelines = #"""
        set -e
        printf 'b\na\nc\n' > letters
        sort < letters > sorted
        sort letters | uniq | wc -l > count
        cat sorted >> log
        cat count >> log
        cat <<end > document
        here is $(cat count) and `head -n 1 sorted`
        end
        ls nothing 2> errors || true
        ls nothing > both 2>&1 || true
        (cd /usr; ls > /dev/null; cat < /etc/hostname | tr a-z A-Z) > inner
        { echo one; cat sorted; echo two; } > group
        for name in x y z; do cp letters "$name"; done
        mv x w
        mkdir -p deep/er
        cp letters deep/er/file
        cat deep/er/file deep/./er/../er/file > twice
        mv deep shallow
        cat shallow/er/file > /dev/null
        ln -s shallow/er/file link
        cat link > linked
        ln shallow/er/file hard
        cat hard >> linked
        exec 3< letters
        cat <&3 > third
        exec 3<&-
        exec 4> fourth
        echo to four >&4
        cat sorted >&4
        exec 4>&-
        grep -r a shallow > found
        sed -e 's/a/b/' letters > changed
        sed -i -e 's/b/d/' changed
        awk '{ print $1 > "from-awk" }' letters
        find . -name '*er*' > listing
        xargs cat < listing > /dev/null 2>&1 || true
        tee teed < letters | cat > /dev/null
        env cat letters | (read first; echo "$first") > read
        test -s read && head -c 1 read
        nohup cat letters < /dev/null > nohup.out 2>&1
        sh -c 'cat letters > by-sh'
        sh -c 'echo $0 > by-builtin' name
        printf 'echo from a script\ncat letters > from-script\n' > plain-script
        chmod +x plain-script
        ./plain-script > said
        dash ./plain-script
        rm -r shallow w y z
        """# + "\n"

    static let python = #"""
        #!/usr/bin/env python3
        import json, os, subprocess, tempfile

        with open("settings") as settings, open("result", "w") as result:
            result.write(settings.read())
        with open("result", "r+") as both:
            both.read()
            both.write("more")
        with open("log", "a") as log:
            log.write("done")
        os.makedirs("a/b/c")
        with open("a/b/c/deep.json", "w") as deep:
            json.dump({"a": 1}, deep)
        os.rename("a", "z")
        with open("z/b/c/deep.json") as deep:
            json.load(deep)
        for number in range(101):
            with open(f"many-{number}", "w") as many:
                many.write("x")
        os.listdir("z")
        with open("new.tmp", "w") as new:
            new.write("x")
        os.replace("new.tmp", "new")
        descriptor = os.open("read-write", os.O_RDWR | os.O_CREAT)
        os.close(descriptor)
        subprocess.run(["./helper.py", "one"], check=True)
        subprocess.run(["python3", "helper.py", "two"], check=True)
        subprocess.run("./copy.sh && cat copy > /dev/null", shell=True, check=True)
        with open("output", "w") as output:
            subprocess.run(["cat", "settings"], stdout=output, check=True)
        if os.fork() == 0:
            open("by-child", "w").close()
            os.execv("/bin/cat", ["cat", "settings"])
        os.wait()
        """# + "\n"

    static let pythonHelper = #"""
        #!/usr/bin/env python3
        import sys

        with open("helped-" + sys.argv[1], "w") as helped, open("settings") as settings:
            helped.write(settings.read())
        """# + "\n"

    static let git = """
        set -e
        git init -q repository
        cd repository
        git config user.name tester
        git config user.email tester@example.org
        git config gc.autoDetach false
        mkdir source
        for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            echo "line $number" > source/file-$number
        done
        git add .
        git commit -q -m first
        git checkout -q -b other
        echo more >> source/file-1
        git commit -q -a -m second
        git mv source/file-2 source/renamed
        git commit -q -m third
        git log --stat > ../log
        git diff HEAD~2 > ../diff
        git gc -q --prune=now
        git fsck
        """ + "\n"

    /// A C project of so many source files; each of them takes three processes to compile.
    static func writeProject(in folder: String, sources: Int) throws {
        var rule = "objects = \((0..<sources).map { "s\($0).o" }.joined(separator: " "))\n"
        rule += "program: $(objects)\n\tgcc -o $@ $(objects)\n"
        rule += "%.o: %.c common.h\n\tgcc -O0 -c -o $@ $<\n"
        try write(rule, to: folder + "/Makefile")
        try write("int f(int);\n", to: folder + "/common.h")
        for number in 0..<sources {
            let entry = number == 0 ? "int main(void) { return 0; }\n" : ""
            try write(
                "#include \"common.h\"\nint f\(number)(int x) { return x + \(number); }\n" + entry,
                to: folder + "/s\(number).c")
        }
    }

    static func nginxConfiguration(folder: String, port: Int) -> String {
        """
        daemon off;
        worker_processes 2;
        user root;
        pid \(folder)/pid;
        error_log \(folder)/error.log;
        events { worker_connections 64; }
        http {
            access_log \(folder)/access.log;
            client_body_temp_path \(folder)/body;
            proxy_temp_path \(folder)/proxy;
            fastcgi_temp_path \(folder)/fastcgi;
            uwsgi_temp_path \(folder)/uwsgi;
            scgi_temp_path \(folder)/scgi;
            server {
                listen 127.0.0.1:\(port);
                root \(folder)/www;
            }
        }
        """ + "\n"
    }

    /// Waits for the server by its pid file, which it writes once it listens: a refused connection would
    /// be a connect that the oracle cannot tell from one that succeeds later.
    static func nginxDriver(folder: String, port: Int) -> String {
        """
        set -e
        nginx -e \(folder)/error.log -p \(folder) -c \(folder)/nginx.conf &
        until [ -s pid ]; do sleep 0.05; done
        for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            curl -s -o page-$number http://127.0.0.1:\(port)/
        done
        kill -QUIT $(cat pid)
        wait
        cmp page-20 www/index.html
        """ + "\n"
    }
}

/// A TCP port on 127.0.0.1 that nobody uses now.
func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure("socket") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, size) == 0 ? getsockname(descriptor, address, &size) : -1
        }
    }
    guard result == 0 else { throw Failure("bind or getsockname") }
    return Int(UInt16(bigEndian: address.sin_port))
}
