// Command aksaddons plays, in a rehearsal of Azure, what works beside the API server of AKS: addresses of load
// balancers, disks for claims, and the driver that mounts a Key Vault's values and keeps Secrets of them.
//
// It listens on two unix sockets of the node and nowhere else. The vaults' values are in a file on a file system
// in memory, written by whoever plays Azure itself.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// settling is how long changes are gathered before they are looked at together.
	settling = 100 * time.Millisecond
	// looking is how often the file of the vaults' values is looked at, and all else once more.
	looking = time.Second
)

var classes = schema.GroupVersionResource{
	Group: "secrets-store.csi.x-k8s.io", Version: "v1", Resource: "secretproviderclasses",
}

type settings struct {
	kubeconfig string
	node       string
	azure      string
	kubelet    string
	disks      string
	http       int
	https      int
}

func main() {
	log.SetFlags(0)
	var asked settings
	flag.StringVar(&asked.kubeconfig, "kubeconfig", "", "how to reach the API server, and as whom")
	flag.StringVar(&asked.node, "node", "", "the name of this node")
	flag.StringVar(&asked.azure, "azure", "/run/azure.json", "the file of the vaults' values and the public addresses")
	flag.StringVar(&asked.kubelet, "kubelet", "/var/lib/kubelet", "the kubelet's folder")
	flag.StringVar(&asked.disks, "disks", "/var/lib/volumes/azure", "where the folders are that stand for disks")
	flag.IntVar(&asked.http, "http", 0, "the node port of port 80 of the first load balancer that has it")
	flag.IntVar(&asked.https, "https", 0, "the same for port 443")
	flag.Parse()
	if err := run(context.Background(), asked); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, asked settings) error {
	config, err := clientcmd.BuildConfigFromFlags("", asked.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	loose, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	cloud := newCloud(asked.azure)
	go func() { log.Fatal(serve(asked, cloud, loose)) }()

	changed := make(chan struct{}, 1)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim))
	look := &lister{
		services: factory.Core().V1().Services().Lister(),
		claims:   factory.Core().V1().PersistentVolumeClaims().Lister(),
		volumes:  factory.Core().V1().PersistentVolumes().Lister(),
		pods:     factory.Core().V1().Pods().Lister(),
		classes:  factory.Storage().V1().StorageClasses().Lister(),
	}
	core := factory.Core().V1()
	watched := []cache.SharedIndexInformer{
		core.Services().Informer(), core.PersistentVolumeClaims().Informer(), core.PersistentVolumes().Informer(),
		core.Pods().Informer(), factory.Storage().V1().StorageClasses().Informer(),
	}
	if err := tell(changed, watched...); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	entrances := map[int32]int32{80: int32(asked.http), 443: int32(asked.https)}
	hands := &hands{
		client: client, loose: loose, cloud: cloud, look: look, disks: asked.disks, entrances: entrances,
	}
	log.Printf("playing what AKS brings to node %s", asked.node)
	ticks := time.NewTicker(looking)
	for {
		hands.round(ctx)
		select {
		case <-changed:
			time.Sleep(settling)
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// slim takes from an object what nobody here looks at.
func slim(object any) (any, error) {
	if known, err := meta.Accessor(object); err == nil {
		known.SetManagedFields(nil)
	}
	return object, nil
}

// tell fills the channel whenever one of the informers has news.
func tell(changed chan<- struct{}, watched ...cache.SharedIndexInformer) error {
	news := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { news() },
		UpdateFunc: func(any, any) { news() },
		DeleteFunc: func(any) { news() },
	}
	var failed error
	for _, informer := range watched {
		_, err := informer.AddEventHandler(handler)
		failed = errors.Join(failed, err)
	}
	return failed
}

// complaints says each distinct problem once, and again after it has been away.
type complaints struct {
	mutex sync.Mutex
	said  map[string]bool
}

func (known *complaints) round(now map[string]error) {
	known.mutex.Lock()
	defer known.mutex.Unlock()
	said := map[string]bool{}
	for what, err := range now {
		line := what + ": " + err.Error()
		said[line] = true
		if !known.said[line] {
			log.Print(line)
		}
	}
	known.said = said
}

// scheduled tells whether a pod has a node and has not ended.
func scheduled(pod *corev1.Pod) bool {
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	return pod.Spec.NodeName != "" && !ended && pod.DeletionTimestamp == nil
}
