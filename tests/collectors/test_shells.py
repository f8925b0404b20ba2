"""Whose prompt it is that stands in a pasted terminal."""

from __future__ import annotations

import pytest

from collectors.shells import NEW_CONTAINER, OUTSIDE, Shell, shell_at


def at_end(*lines: str) -> Shell:
    """The shell of the last line."""
    text = "\n".join(lines)
    return shell_at(text, len(text) - len(lines[-1]))


@pytest.mark.parametrize(("command", "name"), [
    ("docker exec -it api bash", "api"), ("sudo docker exec -u root -it api /bin/sh", "api"), ("podman exec -it -e A=b api ash", "api"),
    ("docker compose exec api sh", "api"), ("docker-compose exec --user root api bash -l", "api"), ("crictl exec -it 3f2a9c sh", "3f2a9c"),
    ("docker run --rm -it --name probe alpine", "probe"), ("docker run -it --network host alpine sh", NEW_CONTAINER),
    ("kubectl -n shop exec -it web-1 -- sh", "web-1"), ("kubectl exec -it -n shop pod/web-1 -c app -- /bin/bash", "web-1"),
    ("kubectl run probe --rm -it --image=nicolaka/netshoot -- bash", "probe"), ("kubectl debug -it web-1 --image=busybox", "web-1"),
    ("oc rsh web-1", "web-1"),
    ("nsenter -t 4312 -n", "pid-4312"), ("sudo nsenter --target 4312 --net bash", "pid-4312"), ("nsenter --net=/run/netns/cni-1 bash", "cni-1"),
    ("nsenter -t $(docker inspect -f '{{.State.Pid}}' api) -n", "api"), ("ip netns exec blue bash", "blue"),
])
@pytest.mark.parametrize("prompt", ["root@3f2a9c1d7e55:/# ", "/ # ", "bash-5.1$ ", "$ ", "# ", "[app@web-1 /]$ "])
def test_a_command_opens_a_shell(command: str, name: str, prompt: str) -> None:
    """What is typed after it is typed inside, whatever the prompt looks like; the machine's own prompt tells where."""
    assert at_end(f"me@n1:~$ {command}", f"{prompt}ip route") == Shell(name, "n1")


@pytest.mark.parametrize("command", [
    "docker exec api ip route", "docker exec -it api sh -c 'ip route'", "nsenter -t 4312 -n ip route", "docker run -d nginx", "kubectl get pods",
    "kubectl exec web-1 -- ip route", "kubectl debug node/n1 -it --image=busybox", "ip netns exec blue ip route", "echo run -it",
])
def test_other_commands_open_none(command: str) -> None:
    """A single command in a container, and a shell on a node, leave the prompts after it where they were."""
    assert at_end(f"me@n1:~$ {command}", "# ip route") == OUTSIDE


def test_leaving() -> None:
    """A shell lasts until somebody leaves it; the machine's own prompt means that it was left, unless machine and namespace share a name."""
    inside = ["root@n1:~# docker exec -it api sh", "/ # ip route", "default via 172.17.0.1 dev eth0"]
    assert at_end(*inside, "# ip rule").name == "api"
    assert at_end(*inside, "/ # exit", "# ip rule") == OUTSIDE
    assert at_end(*inside, "root@n1:~# ip rule") == OUTSIDE
    namespace = ["root@n1:~# ip netns exec blue bash", "root@n1:~# ip route"]
    assert at_end(*namespace) == Shell("blue", "n1")
    assert at_end(*namespace, "root@n1:~# exit", "exit", "root@n1:~# ip rule") == OUTSIDE
    nested = ["root@n1:~# ip netns exec blue bash", "root@n1:~# docker exec -it api sh", "/ # exit", "root@n1:~# ip route"]
    assert at_end(*nested) == Shell("blue", "n1")


def test_the_form_of_a_prompt() -> None:
    """Shells of small images stand for a container by themselves; a banner is no prompt."""
    assert at_end("/ # ip route") == at_end("sh-4.4$ ip route") == Shell(NEW_CONTAINER, "")
    assert at_end("/ # exit", "/ # ip route") == Shell(NEW_CONTAINER, "")
    assert at_end("root@n1:~# ip route") == at_end("# ip route") == OUTSIDE
    assert at_end("$ docker exec -it api sh", "=== ip route ===") == OUTSIDE


def test_who_enters_a_container_is_on_the_host() -> None:
    """A container that runs in the foreground of one terminal is entered from another: leaving it leads to the host."""
    lines = ["$ docker run --rm -it -p 4001:4001 --name blog me/jekyll", "  Server running", "$ docker exec -it blog bash", "# netstat -ln"]
    assert at_end(*lines).name == "blog"
    assert at_end(*lines, "$ exit", "$ netstat -ln") == OUTSIDE
