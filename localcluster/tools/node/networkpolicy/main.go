// Command networkpolicy enforces NetworkPolicy on one node with kube-router's policy controller.
//
// Upstream's own command links its router and its service proxy too, with a BGP server, ports it listens on
// and twice the size. The flaws reported of release 2.1.0 (GHSA-phqm-jgc3-qf8g, GHSA-v5mh-h5hx-7v92) are in
// those two parts, and neither is compiled here: what is left writes iptables rules and listens nowhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/cloudnativelabs/kube-router/v2/pkg/utils"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// givesUp is the exit status that tells the supervisor not to start this again.
	givesUp = 100
	// patience is the pause between two questions to an API server that is starting too.
	patience = 200 * time.Millisecond
	// mending is how often the rules are written again without any change.
	mending = 5 * time.Minute
	// forwardChain is where kube-router looks at what comes from or goes to a pod.
	forwardChain = "KUBE-ROUTER-FORWARD"
)

type settings struct {
	kubeconfig string
	node       string
	services   string
	nodePorts  string
}

func main() {
	log.SetFlags(0)
	var asked settings
	flag.StringVar(&asked.kubeconfig, "kubeconfig", "", "how to reach the API server, and as whom")
	flag.StringVar(&asked.node, "node", "", "the name of this node")
	flag.StringVar(&asked.services, "services", "", "the addresses of Services, e.g. 10.96.0.0/16")
	flag.StringVar(&asked.nodePorts, "node-ports", "", "the ports of Services on the node, e.g. 30000-32767")
	check := flag.Bool("check", false, "only tell whether the kernel has what the rules need")
	version := flag.Bool("version", false, "only tell which kube-router this is")
	flag.Parse()
	if *version {
		fmt.Println("kube-router", release())
		return
	}
	if err := missing(); err != nil {
		log.Print(err)
		os.Exit(givesUp)
	}
	if *check {
		return
	}
	if err := run(context.Background(), asked); err != nil {
		log.Fatal(err)
	}
}

// release is the version of kube-router's module, as the linker noted it.
func release() string {
	if built, ok := debug.ReadBuildInfo(); ok {
		for _, part := range built.Deps {
			if part.Path == "github.com/cloudnativelabs/kube-router/v2" {
				return part.Version
			}
		}
	}
	return "of an unknown version"
}

// run enforces policies until the process ends. The rules stay when it does.
func run(ctx context.Context, asked settings) error {
	config, err := clientcmd.BuildConfigFromFlags("", asked.kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	waitForNode(ctx, client, asked.node)

	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim))
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	controller, err := newController(client, asked, pods, policies, namespaces)
	if err != nil {
		return err
	}
	_, podsErr := pods.AddEventHandler(controller.PodEventHandler)
	_, namespacesErr := namespaces.AddEventHandler(controller.NamespaceEventHandler)
	_, policiesErr := policies.AddEventHandler(controller.NetworkPolicyEventHandler)
	if err := errors.Join(podsErr, namespacesErr, policiesErr); err != nil {
		return err
	}
	log.Printf("enforcing the network policies of node %s", asked.node)
	work(ctx, controller)
	return ctx.Err()
}

// slim takes from an object what policies do not look at, and what is often the larger part of it.
func slim(object any) (any, error) {
	if known, err := meta.Accessor(object); err == nil {
		known.SetManagedFields(nil)
	}
	return object, nil
}

// waitForNode returns when the API server gives the node with an address; what is asked for next needs both.
func waitForNode(ctx context.Context, client kubernetes.Interface, name string) {
	said := ""
	for ctx.Err() == nil {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		reason := fmt.Sprintf("waiting for the address of node %s", name)
		if err != nil {
			reason = err.Error()
		} else {
			for _, address := range node.Status.Addresses {
				if address.Type == corev1.NodeInternalIP {
					return
				}
			}
		}
		if reason != said {
			log.Print(reason)
			said = reason
		}
		time.Sleep(patience)
	}
}

// newController prepares kube-router's controller; from here on the chains are its own.
func newController(
	client kubernetes.Interface, asked settings, pods, policies, namespaces cache.SharedIndexInformer,
) (*netpol.NetworkPolicyController, error) {
	config := &options.KubeRouterConfig{
		ClusterIPCIDRs:     []string{asked.services},
		EnableIPv4:         true,
		HostnameOverride:   asked.node,
		IPTablesSyncPeriod: mending,
		NodePortRange:      asked.nodePorts,
	}
	rules, sets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return nil, err
	}
	if err := leaveToKubeProxy(rules[corev1.IPv4Protocol], asked.services); err != nil {
		return nil, err
	}
	return netpol.NewNetworkPolicyController(client, config, pods, policies, namespaces, &sync.Mutex{}, rules, sets)
}

// leaveToKubeProxy lets what still is on its way to a Service's address through to kube-proxy's rules.
//
// Nobody serves it, otherwise it would be on its way to a pod. kube-proxy refuses it at once; accepted by
// kube-router's rules, which come first, it would be sent to an address that nobody has. kube-router keeps
// a rule it finds at the head of its chain.
func leaveToKubeProxy(rules utils.IPTablesHandler, services string) error {
	exists, err := rules.ChainExists("filter", forwardChain)
	if err == nil && !exists {
		err = rules.NewChain("filter", forwardChain)
	}
	if err != nil {
		return err
	}
	rule := []string{"-d", services, "-m", "comment", "--comment", "left to kube-proxy", "-j", "RETURN"}
	exists, err = rules.Exists("filter", forwardChain, rule...)
	if err != nil || exists {
		return err
	}
	return rules.Insert("filter", forwardChain, 1, rule...)
}

// work runs the controller. It reports each round; nobody here listens, but somebody has to take it.
func work(ctx context.Context, controller *netpol.NetworkPolicyController) {
	beats := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range beats {
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	controller.Run(beats, ctx.Done(), &running)
	running.Wait()
}
